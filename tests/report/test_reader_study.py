"""What a reader study shows: items, order, sides, slices, and nothing that tells too much."""

from __future__ import annotations

import base64
import io
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from harmonize_kit.config.reader_study import Question, ReaderStudyConfig
from harmonize_kit.errors import ConfigError, InputError
from harmonize_kit.report.reader_study import render_study, require_blind, study_content
from harmonize_kit.report.reader_study_items import StudyItem, draw_items, key_rows
from harmonize_kit.report.reader_study_slices import choose_view, cut_image

RAW = [f"case-{k:02d}" for k in range(20)]
CASES = {"before": RAW, "after": RAW[5:], "target": ["other-1", "other-2", "other-3", *RAW[:4]]}


def drawn(seed: int = 0, **chosen: Any) -> tuple[StudyItem, ...]:
    return draw_items(CASES, {}, ReaderStudyConfig(seed=seed, **chosen))


def test_the_default_keeps_to_what_is_read_in_twenty_minutes() -> None:
    items = drawn()
    assert 38 <= len(items) <= 44
    assert all(item.shown == (item.candidate,) for item in items if item.kind == "single")
    assert len({(i.case, i.candidate, i.kind) for i in items}) == sum(
        not item.repeat_of for item in items
    )


def test_cases_that_can_be_compared_come_first() -> None:
    shared = {"before": RAW, "after": RAW[5:], "other": RAW[14:]}
    items = draw_items(shared, {}, ReaderStudyConfig(cases=6, repeat=0))
    assert {item.case for item in items} == set(RAW[14:])
    pairs = [item for item in items if item.kind == "pair"]
    assert [sum(item.candidate == name for item in pairs) for name in shared] == [0, 6, 6]
    assert {item.against for item in pairs} == {"before"}
    assert {item.against for item in items if item.candidate == "before"} == {""}
    for item in pairs:
        assert set(item.shown) == {item.candidate, "before"}
    assert sum(item.left == "before" for item in pairs) == 6


def test_singles_come_before_pairs_and_repeats_stand_apart() -> None:
    for seed in range(5):
        items = drawn(seed, cases=7, repeat=0.2)
        kinds = [item.kind for item in items]
        assert kinds == sorted(kinds, reverse=True)
        place = {item.code: number for number, item in enumerate(items)}
        blocks = {kind: kinds.count(kind) for kind in ("single", "pair")}
        again = [item for item in items if item.repeat_of]
        assert len(again) == sum(
            round(0.2 * (n - sum(i.kind == k for i in again))) for k, n in blocks.items()
        )
        for item in again:
            first = items[place[item.repeat_of]]
            assert (first.case, first.candidate, first.kind) == (
                item.case, item.candidate, item.kind
            )  # fmt: skip
            assert abs(place[item.code] - place[first.code]) >= blocks[item.kind] // 3
            if item.kind == "pair":
                assert item.shown == first.shown[::-1]


def test_codes_tell_nothing_and_the_seed_tells_all() -> None:
    items = drawn(3)
    codes = [item.code for item in items]
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 6 and code.isalpha() for code in codes)
    assert codes != sorted(codes)
    assert drawn(3) == items
    assert {item.code for item in drawn(4)}.isdisjoint(codes)
    rows = key_rows("rs-x", items, {"case-07": "person"})
    assert [row["item"] for row in rows] == sorted(codes)
    assert {row["subject"] for row in rows if row["case"] == "case-07"} <= {"person"}


def test_sites_take_turns() -> None:
    sites = {case: "big" if number < 16 else "small" for number, case in enumerate(RAW)}
    items = draw_items({"before": RAW}, sites, ReaderStudyConfig(cases=6, repeat=0))
    shown = [sites[item.case] for item in items]
    assert (shown.count("big"), shown.count("small")) == (3, 3)


def test_too_few_cases_are_an_error() -> None:
    with pytest.raises(InputError, match="expected 8 cases of 'target', got 7"):
        drawn(cases=8)
    with pytest.raises(InputError, match="got 0"):
        draw_items({"before": []}, {}, ReaderStudyConfig())


def test_slices_pass_through_the_largest_lesion_or_the_middle_of_the_brain() -> None:
    brain = np.zeros((40, 50, 60), dtype=bool)
    brain[5:35, 10:40, 10:50] = True
    lesion = np.zeros_like(brain)
    lesion[20:24, 30:36, 12:18] = True
    lesion[8, 12, 40] = True
    view = choose_view(brain.shape, (1.0, 1.0, 2.0), brain, lesion, 5)
    for axis, (low, high) in enumerate(((20, 23), (30, 35), (12, 17))):
        assert low <= view.places[axis][view.start[axis]] <= high
        assert view.places[axis][0] < low
        assert view.places[axis][-1] > high or axis == 1  # the brain ends there
    assert [part.start for part in view.box] == [0, 0, 0]
    assert view.box[0].stop == 40  # 6 voxels of 2 mm beyond the brain, and the image ends
    middle = choose_view(brain.shape, (1.0, 1.0, 2.0), brain, None, 5)
    assert [p[s] for p, s in zip(middle.places, middle.start, strict=True)] == [20, 24, 30]
    one = choose_view(brain.shape, (1.0, 1.0, 2.0), None, None, 1)
    assert [len(places) for places in one.places] == [1, 1, 1]


def test_slices_are_windowed_by_the_brain_and_stand_upright() -> None:
    ramp = np.zeros((10, 12, 14))
    ramp[:] = np.arange(10)[:, None, None]
    ramp[0, 0, 0] = 1e6  # far outside the brain
    brain = np.zeros(ramp.shape, dtype=bool)
    brain[1:9, 2:10, 2:12] = True
    view = choose_view(ramp.shape, (1.0, 1.0, 1.0), brain, None, 3)
    planes = cut_image(ramp, (1.0, 1.0, 1.0), view, brain, (0, 100))
    assert [plane["name"] for plane in planes] == ["axial", "coronal", "sagittal"]
    assert [(plane["left"], plane["top"]) for plane in planes] == [
        ("R", "A"), ("R", "H"), ("A", "H"),
    ]  # fmt: skip
    coronal = pixels(planes[1]["slices"][1])
    assert coronal.shape == (10, 14)
    assert (coronal[0, 5], coronal[-1, 5]) == (255, 0)  # head above feet
    assert coronal[5, 5] == round(255 * (4 - 1) / 7)
    louder = cut_image(7 + 3 * ramp, (1.0, 1.0, 1.0), view, brain, (0, 100))
    assert louder == planes  # a scanner's gain does not tell candidates apart
    with pytest.raises(InputError, match="constant"):
        cut_image(np.ones(ramp.shape), (1.0, 1.0, 1.0), view, brain, (0, 100))
    with pytest.raises(InputError, match="finite"):
        cut_image(np.where(brain, np.nan, 0), (1.0, 1.0, 1.0), view, brain, (0, 100))


def pixels(data: str) -> Any:
    return np.asarray(cast(Any, Image.open(io.BytesIO(base64.b64decode(data)))))


def test_no_text_of_the_study_ends_the_element_it_stands_in() -> None:
    hostile = "</script><script>window.slipped = 1</script>"
    config = ReaderStudyConfig(
        title=hostile, introduction=hostile, cases=1, repeat=0, pairs=False,
        questions=(Question(name="q", text=hostile, kind="choice", answers=("a", hostile)),),
    )  # fmt: skip
    items = draw_items({"before": ["one"]}, {}, config)
    page = render_study(study_content(items, {("one", "before"): []}, config))
    assert page.count("<script>") == 1
    assert hostile not in page


def test_texts_that_name_what_readers_must_not_know_are_refused() -> None:
    told = ReaderStudyConfig(introduction="Does the CycleGAN-2 invent lesions?")
    with pytest.raises(ConfigError, match="'cyclegan-2'"):
        require_blind(told, ["raw", "cyclegan-2"])
    require_blind(told, ["cyclegan", "A", "raw"])
    require_blind(ReaderStudyConfig(), ["scanner", "lesion"])  # our own words tell nothing


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"kind": "choice", "answers": ("yes", "2")}, "words as answers, got '2'"),
        ({"kind": "choice", "answers": ("yes", "same")}, "got 'same'"),
        ({"kind": "choice", "answers": ("yes", "Yes ")}, "different answers"),
        ({"answers": ("poor",)}, "2 to 9 answers"),
        ({"kind": "preference"}, "about a pair"),
    ],
)
def test_questions_that_could_not_be_told_apart_later_are_refused(
    question: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Question(name="q", text="?", **question)
