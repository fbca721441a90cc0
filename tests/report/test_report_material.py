"""What stands beside the scores: shrinkage, ranges, exclusions, images."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harmonize_kit.errors import TableError
from harmonize_kit.report import write_report
from harmonize_kit.report.drawing.histograms import draw_histograms
from harmonize_kit.report.drawing.image_slices import LONGEST, slice_image
from harmonize_kit.report.drawing.shrinkage import LOCATION, SCALE, draw_shrinkage
from harmonize_kit.report.guarded import (
    GuardedImage,
    GuardedImages,
    guard_rows,
    guard_tables,
)
from harmonize_kit.report.material import ImageChange, Material, SiteEstimates, TrainingRange
from harmonize_kit.report.quality import quality_tables
from harmonize_kit.report.tables import Cell
from harmonize_kit.report.text import MISSING
from harmonize_kit.report.training_range import range_tables


def estimates(raw: Any, spread: Any, weight: float = 0.7, **changes: Any) -> SiteEstimates:
    """Site effects drawn together by ``weight``."""
    sites = tuple(f"S{number}" for number in range(len(raw)))
    after = weight * raw + (1 - weight) * raw.mean(axis=1, keepdims=True)
    fields: dict[str, Any] = {
        "model": "combat", "sites": sites, "counts": (20,) * len(sites), "raw_location": raw,
        "location": after, "raw_scale": spread,
        "scale": weight * spread + (1 - weight) * spread.mean(axis=1, keepdims=True),
    }  # fmt: skip
    return SiteEstimates(**{**fields, **changes})


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def distances(picture: Any) -> list[float]:
    return [float(row[-1].text) for row in picture.table.rows]


def test_the_prior_fits_what_was_drawn_from_it_and_not_what_was_not(rng: Any) -> None:
    """Estimates of their prior's own family lie close to it; two humps lie far."""
    p = 2000
    good = rng.normal((0.4, -0.7), (0.3, 0.6), (p, 2)).T
    inverse_gamma = 4 / rng.gamma(5, 1, (2, p))
    pictures = draw_shrinkage(estimates(good, inverse_gamma), 1)
    for part, picture in zip((LOCATION, SCALE), pictures, strict=True):
        assert picture.key == f"shrinkage_1_{part.key}"
        assert max(distances(picture)) < 0.06
    humps = np.where(rng.random((2, p)) < 0.5, -2.0, 2.0) + rng.normal(0, 0.1, (2, p))
    location, scale = draw_shrinkage(estimates(humps, np.exp(humps)), 1)
    assert min(distances(location)) > 0.2
    assert min(distances(scale)) > 0.2


def test_what_is_not_shrunken_is_not_drawn(rng: Any) -> None:
    raw, scale = rng.normal(0, 1, (3, 40)), rng.gamma(8, 0.1, (3, 40))
    assert draw_shrinkage(estimates(raw, scale, weight=1.0), 1) == []
    (only,) = draw_shrinkage(estimates(raw, scale, scale=scale), 1)
    assert only.key.endswith("location")
    assert draw_shrinkage(estimates(raw[:, :3], scale[:, :3]), 1) == []


def test_a_reference_site_and_many_sites(rng: Any) -> None:
    raw, scale = rng.normal(0, 1, (40, 30)), rng.gamma(8, 0.1, (40, 30))
    raw[3], scale[3] = 0.0, 1.0
    location, _ = draw_shrinkage(estimates(raw, scale), 1)
    assert len(location.table.rows) == 39
    assert "Of 39 sites the 24 that fit worst" in location.caption


@pytest.mark.parametrize(
    "change", [{"sites": ("A",)}, {"counts": (1,)}, {"raw_scale": np.ones((2, 7))}]
)
def test_estimates_of_unlike_shape_are_refused(rng: Any, change: Any) -> None:
    with pytest.raises(TableError, match="one row a site"):
        estimates(rng.normal(0, 1, (2, 8)), np.ones((2, 8)), **change)


def ball(gain: float = 1.0, **options: Any) -> ImageChange:
    z, y, x = np.mgrid[:30, :40, :20]
    far = (z - 15) ** 2 + (y - 20) ** 2 + (x - 10) ** 2
    before = np.where(far < 64, 100.0, 0.0) + (far < 9) * 100
    fields: dict[str, Any] = {
        "name": "a", "before": before, "after": (gain * before,), "spacing": (2.0, 1.0, 1.0),
        "mask": far < 9, "numbers": {"after": {"ssim": 0.9}},
    }  # fmt: skip
    return ImageChange(**{**fields, **options})


def pixels(uri: str) -> Any:
    data = base64.b64decode(uri.removeprefix("data:image/webp;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_slices_share_one_window_and_no_change_is_white() -> None:
    start, same = slice_image(ball()).states
    assert start.differences == ()
    for before, after, difference in zip(start.slices, same.slices, same.differences, strict=True):
        assert np.array_equal(pixels(before.uri), pixels(after.uri))
        assert pixels(difference.uri).min() > 250
    first = ball().before
    labels = ("raw", "dark", "bright")
    many = ball(after=(0.5 * first, 1.5 * first), mask=None, labels=labels)
    start, dark, bright = slice_image(many).states
    assert (start.label, dark.label, bright.label) == labels
    assert pixels(start.slices[0].uri)[20, 10].mean() > pixels(dark.slices[0].uri)[20, 10].mean()
    red, _, blue = pixels(dark.differences[0].uri)[20, 10]
    assert blue > red + 40  # lower afterwards: blue
    red, _, blue = pixels(bright.differences[0].uri)[20, 10]
    assert red > blue + 40
    assert "bright, axial slice, difference from raw" in bright.differences[0].text


def test_differences_are_told_in_standard_deviations_of_the_content_before() -> None:
    first = ball().before
    region = first > 0
    unit = first[region].std()
    # What lies beyond the content is no change.
    shifted = np.where(region, first + 0.5 * unit, 1e6)
    found = slice_image(ball(after=(shifted,), region=region))
    assert found.largest == "±0.5"
    colours = pixels(found.states[1].differences[0].uri)
    assert colours[2, 2].min() > 250
    assert colours[20, 10].min() < 60


def test_slices_are_as_large_as_the_head_is() -> None:
    """Voxels of 2 mm in x: 40 mm both ways in the axial plane, 40 x 30 in the coronal one."""
    sliced = slice_image(ball())
    assert [(found.width, found.height) for found in sliced.states[0].slices] == [
        (LONGEST, LONGEST), (LONGEST, 192), (LONGEST, 192),
    ]  # fmt: skip


def test_a_constant_image_is_drawn() -> None:
    flat = np.full((4, 5, 6), 3.0)
    image = ball(before=flat, after=(flat,), mask=None)
    assert pixels(slice_image(image).states[1].differences[0].uri).min() > 250
    assert draw_histograms([image]) is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"after": (np.zeros((2, 3, 4)),)}, "one shape"),
        ({"mask": np.zeros((2, 3, 4), dtype=bool)}, "one shape"),
        ({"after": (np.full((30, 40, 20), np.nan),)}, "finite"),
        ({"labels": ("before",)}, "label for each of 2"),
    ],
)
def test_images_that_do_not_match_are_refused(change: Any, words: str) -> None:
    with pytest.raises(TableError, match=words):
        ball(**change)


def test_ranges_and_sites_a_model_does_not_know() -> None:
    found = TrainingRange("combat", "age", (20.0, 60.0), (18.0, 71.5), 4, 120)
    ranges, unseen = range_tables(Material(ranges=(found,), unseen={"Oslo": 3, "Bern": 1}), {})
    assert [cell.text for cell in ranges.rows[0]] == [
        "combat", "age", "20 to 60", "18 to 71.5", "4 of 120",
    ]  # fmt: skip
    assert unseen.rows[0][0].text == "Oslo (3) and Bern (1)"
    assert range_tables(Material(), {}) == []


def test_failures_are_counted_by_reason_and_not_named() -> None:
    (table,) = quality_tables({}, Material(failures={"raw": {"CRC": 2}, "combat": {"BINS": 1}}))
    assert table.head == ("Reason", "raw", "combat")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["BINS", MISSING, "1"], ["CRC", "2", MISSING],
    ]  # fmt: skip


def guarded(candidate: str, above: float, **measures: float) -> GuardedImages:
    images = [
        GuardedImage(f"c{place}", "AB"[place % 2], "t1", {**measures, "change": 0.1 * place})
        for place in range(6)
    ]
    images[4] = replace(images[4], flags=("it changed",))
    return GuardedImages(candidate, tuple(images), {"change": (None, above)}, 2)


def under(heading: str | Cell) -> tuple[str, ...]:
    return heading.below if isinstance(heading, Cell) else ()


def test_guards_are_told_by_site_and_flags_one_by_one() -> None:
    found = (guarded("gan", 1.0, explained=0.9), guarded("curve", 1.0))
    measures, flagged = guard_tables(found, show_ids=False)
    assert measures.parts == (("gan", 2), ("curve", 2))
    row = [cell.text for cell in measures.rows[0]]
    assert row == ["A", "3", "0.200", "0.900", "1"]  # changes of 0, 0.2 and 0.4
    assert measures.rows[0][2].below == ("0 to 0.400",)
    assert [cell.text for cell in measures.rows[3]][3:] == [MISSING, "0"]
    assert under(measures.head[2]) == ("flagged above 1",)
    assert "2 cases were of the target already" in " ".join(measures.notes)
    assert [[cell.text for cell in row] for row in flagged.rows] == [
        ["gan", "A", "t1", "it changed"], ["curve", "A", "t1", "it changed"],
    ]  # fmt: skip
    named = guard_tables(found, show_ids=True)[1]
    assert named.rows[0][1].text == "c4"
    assert under(guard_tables((guarded("a", 1.0), guarded("b", 2.0)), False)[0].head[2]) == ()
    assert guard_tables((GuardedImages("a", ()),), show_ids=False) == []
    assert "c4" not in json.dumps(guard_rows(found))


def test_cases_that_are_not_judged_are_counted() -> None:
    (table,) = quality_tables({"left_out_cases": {"absent from 'gan'": 5}}, Material())
    assert [cell.text for cell in table.rows[0]] == ["absent from 'gan'", "5"]


def test_it_is_all_in_the_report_and_in_its_numbers(
    make_scorecard: Any, rng: Any, tmp_path: Any
) -> None:
    raw, scale = rng.normal(0, 1, (2, 40)), rng.gamma(8, 0.1, (2, 40))
    beside = Material(
        (estimates(raw, scale),),
        (TrainingRange("combat", "age", (20.0, 60.0), (18.0, 71.5), 4, 120),),
        {"Oslo": 3},
        {"raw": {"CRC": 2}},
        (ball(name="<b>head</b>"),),
    )
    page = write_report(make_scorecard(n_cases=40), tmp_path, material=beside)
    text = page.read_text()
    for key in ("shrinkage", "ranges", "images", "quality"):
        assert f'<section id="{key}"' in text
        assert f'<a href="#{key}">' in text
    assert text.count("<img src=") == 9
    assert "<b>head</b>" not in text
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["shrinkage"][0]["raw_location"] == raw.tolist()
    assert content["ranges"][0]["beyond"] == 4
    assert content["unseen_sites"] == {"Oslo": 3}
    assert content["failures"] == {"raw": {"CRC": 2}}
    assert content["images"] == [{"name": "<b>head</b>", "candidate": "after", "ssim": 0.9}]
    assert {"shrinkage_1_location.svg", "shrinkage_1_scale.svg", "image_histograms.svg"} <= {
        path.name for path in tmp_path.glob("figures/*")
    }
