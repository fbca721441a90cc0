"""A reader study from cohorts to the summary, read in a real browser as a reader would."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import Reading, axe_script, open_browser

from harmonize_kit.config.reader_study import ReaderStudyConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import CaseError, ConfigError, InputError, TableError
from harmonize_kit.flows.ratings import summarize_rating_files
from harmonize_kit.flows.reader_study import reader_study
from harmonize_kit.storage.images import write_image, write_mask
from harmonize_kit_cli import main as entry

CASES = ("patient-Abel", "patient-Berta", "patient-Cem", "patient-Dora")
CONFIG = ReaderStudyConfig(cases=2, repeat=0.2, slices=3, seed=5)


def head(number: int) -> Volume:
    """A ball with a hole in it, on the grid of a file that runs from left to right and back."""
    z, y, x = np.mgrid[:14, :16, :18]
    inside = (z - 7) ** 2 + (y - 8) ** 2 + (x - 9) ** 2 < 42
    values = np.where(inside, 100 + 10 * np.sin(x + number) + 5 * y, 3.0)
    labels = inside.astype(np.uint8)
    labels[8:10, 9:11, 9 + number % 2 : 12] = 2
    geometry = Geometry((18, 16, 14), (1.0, 1.0, 2.0), (9, 8, 0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    return Volume(values.astype(np.float32), geometry, labels)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: Any) -> dict[str, Path]:
    """Two states of the same cases, the second with another gain."""
    root = tmp_path_factory.mktemp("cohorts")
    for number, case in enumerate(CASES):
        volume = head(number)
        write_mask(volume, root / f"{case}_mask.nii.gz")
        for name, gain in (("untouched", 1.0), ("wonder-net", 5.0)):
            made = volume.with_array(volume.array * gain + 0.2 * number * gain)
            write_image(made, root / f"{case}_{name}.nii.gz")
    tables: dict[str, Path] = {}
    for name in ("untouched", "wonder-net"):
        rows = [
            {
                "id": case, "Image_t1": f"{case}_{name}.nii.gz", "Mask": f"{case}_mask.nii.gz",
                "Label": "2", "Brain_mask": f"{case}_mask.nii.gz", "site": "Saint-Elsewhere",
                "subject": f"person-{case}",
            }
            for case in CASES
        ]  # fmt: skip
        tables[name] = root / f"{name}.csv"
        pd.DataFrame(rows).to_csv(tables[name], index=False)
    return tables


@pytest.fixture(scope="module")
def study(cohorts: dict[str, Path], tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("study")
    reader_study(cohorts, folder, CONFIG, modality="T1")
    return folder


def key_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "key.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_cases_that_a_translation_was_learned_from_are_not_shown(
    cohorts: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def tables(split: list[str], by: str) -> dict[str, Path]:
        for name, path in cohorts.items():
            frame = pd.read_csv(path, dtype=str).assign(split=split)
            frame = frame.assign(translated_by=by if name == "wonder-net" else "")
            for column in ("Image_t1", "Mask", "Brain_mask"):
                frame[column] = str(path.parent) + "/" + frame[column]
            frame.to_csv(tmp_path / f"{name}.csv", index=False)
        return {name: tmp_path / f"{name}.csv" for name in cohorts}

    split = ["test", "Train", "test", "train"]
    reader_study(tables(split, "nyul"), tmp_path / "held-out", CONFIG)
    assert {row["case"] for row in key_of(tmp_path / "held-out")} == {CASES[0], CASES[2]}
    assert "2 cases are not shown" in caplog.text
    # Where nothing was learned, the word means nothing here.
    every = CONFIG.model_copy(update={"cases": 4})
    reader_study(tables(split, ""), tmp_path / "all", every)
    assert {row["case"] for row in key_of(tmp_path / "all")} == set(CASES)
    with pytest.raises(InputError, match="translate held-out cases too"):
        reader_study(tables(["train"] * 4, "nyul"), tmp_path / "none", CONFIG)


def test_the_page_names_nothing(study: Path) -> None:
    page = (study / "reader_study.html").read_text()
    plain = page.lower()
    for secret in (*CASES, "patient", "person", "untouched", "wonder", "elsewhere", "nii.gz"):
        assert secret.lower() not in plain
    assert str(study.parent) not in page
    assert "http" not in plain.replace("http-equiv", "")
    content = json.loads(re.search(r'id="study">(.*?)</script>', page, re.S)[1])  # pyright: ignore
    codes = [item["code"] for item in content["items"]]
    assert codes != sorted(codes)
    rows = {row["item"]: row for row in key_of(study)}
    assert set(rows) == set(codes)
    assert {row["study"] for row in rows.values()} == {content["study"]}
    # Equal images of a case stay equal whatever a scanner's gain: nothing but the key tells them.
    shown = {
        (rows[item["code"]]["case"], rows[item["code"]]["candidate"]): item["images"][0]
        for item in content["items"]
        if item["kind"] == "single"
    }
    for case in {case for case, _ in shown}:
        one, other = shown[case, "untouched"], shown[case, "wonder-net"]
        assert one != other
        assert content["images"][one] == content["images"][other]


def test_the_same_seed_gives_the_same_bytes_and_a_key_is_kept(
    cohorts: dict[str, Path], study: Path, tmp_path: Path
) -> None:
    reader_study(cohorts, tmp_path, CONFIG, modality="t1")
    for name in ("reader_study.html", "key.csv"):
        assert (tmp_path / name).read_bytes() == (study / name).read_bytes()
    other = CONFIG.model_copy(update={"seed": 6})
    with pytest.raises(ConfigError, match="the key of another study"):
        reader_study(cohorts, tmp_path, other)
    reader_study(cohorts, tmp_path, other, force=True)
    assert (tmp_path / "key.csv").read_bytes() != (study / "key.csv").read_bytes()


def test_what_cannot_be_shown_is_said(cohorts: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no image of modality 't2'"):
        reader_study(cohorts, tmp_path / "o", CONFIG, modality="t2")
    with pytest.raises(ConfigError, match="'same' is an answer"):
        reader_study({"same": cohorts["untouched"]}, tmp_path / "o", CONFIG)
    frame = pd.read_csv(cohorts["wonder-net"], dtype=str)
    smaller = Volume(np.ones((3, 3, 3), np.float32), Geometry((3, 3, 3)))
    write_image(smaller, tmp_path / "small.nii.gz")
    folder = cohorts["untouched"].parent
    for column in ("Mask", "Brain_mask"):
        frame[column] = [str(folder / name) for name in frame[column]]
    frame["Image_t1"] = str(tmp_path / "small.nii.gz")
    frame.to_csv(tmp_path / "odd.csv", index=False)
    both = {"untouched": cohorts["untouched"], "odd": tmp_path / "odd.csv"}
    with pytest.raises(CaseError, match="expected one grid"):
        reader_study(both, tmp_path / "o", CONFIG)
    assert not (tmp_path / "o").exists()


def rate(page: Any, answers: dict[str, tuple[str, ...]], stop: int | None = None) -> list[str]:
    """Answer items by keys alone until the end, or so many; returns their codes in order."""
    seen: list[str] = []
    total = int(page.locator("#bar").get_attribute("max"))
    for _ in range(total if stop is None else stop):
        code = page.locator("#item code").inner_text()
        seen.append(code)
        for key in answers[code]:
            page.keyboard.press(key)
        page.keyboard.press("ArrowRight")
    return seen


def exported(page: Any, path: Path, button: str = "#export") -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.click(button)
    download.value.save_as(path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def keys_for(folder: Path) -> dict[str, tuple[str, ...]]:
    """Keys of a reader who likes wonder-net better by 2, and always prefers it."""
    found: dict[str, tuple[str, ...]] = {}
    for row in key_of(folder):
        if row["kind"] == "single":
            found[row["item"]] = ("5" if row["candidate"] == "wonder-net" else "3", "2", "1")
        else:
            found[row["item"]] = ("1", "1" if row["left"] == "wonder-net" else "3")
    return found


def test_a_reader_rates_by_keyboard_stops_goes_on_elsewhere_and_is_summarised(
    study: Path, tmp_path: Path
) -> None:
    answers = keys_for(study)
    with open_browser() as browser:
        reading = Reading(browser, study / "reader_study.html", accept_downloads=True)
        page = reading.page
        page.fill("#reader", "R-1")
        page.keyboard.press("Enter")
        _slices_turn_and_planes_stand_alone(page)
        first = rate(page, answers, stop=2)
        page.keyboard.press("n")
        page.keyboard.type('=odd, "quoted"\nnote 5')
        page.keyboard.press("Escape")
        page.reload()  # everything is kept, and the place where one was
        page.keyboard.press("Enter")
        assert page.locator("#where").inner_text().startswith("2 of ")
        assert page.locator("#item").inner_text().startswith("Item 3 of ")
        half = exported(page, tmp_path / "half.csv")
        third = page.locator("#item code").inner_text()
        assert {row["item"] for row in half} == {*first, third}
        (note,) = [row for row in half if row["item"] == third]
        assert (note["question"], note["comment"]) == ("", '\'=odd, "quoted" note 5')
        assert (reading.foreign, reading.messages, reading.dialogs) == ([], [], [])
        reading.context.close()

        elsewhere = Reading(
            browser, study / "reader_study.html", accept_downloads=True, bypass_csp=True
        )
        page = elsewhere.page
        page.add_script_tag(path=str(axe_script()))
        _nothing_grave(page, "#start")
        (tmp_path / "strange.csv").write_text(
            (tmp_path / "half.csv").read_text().replace("rs-", "x")
        )
        page.set_input_files("#file", tmp_path / "strange.csv")
        page.locator("#reader-error", has_text="another study").wait_for()
        page.set_input_files("#file", tmp_path / "half.csv")
        page.locator("#item code", has_text=third).wait_for()
        assert page.locator("#who").inner_text() == "Reader R-1"
        assert page.locator("#comment").input_value() == note["comment"]
        _nothing_grave(page, "body")
        total = int(page.locator("#bar").get_attribute("max"))
        rate(page, answers, stop=total - 2)
        assert page.locator("#left").inner_text().startswith("Every item is rated")
        rows = exported(page, tmp_path / "ratings.csv", "#export-end")
        assert (elsewhere.foreign, elsewhere.messages) == ([], [])
    assert {row["reader"] for row in rows} == {"R-1"}
    _is_what_the_reader_meant(study, tmp_path, rows)


def _slices_turn_and_planes_stand_alone(page: Any) -> None:
    label = page.locator(".plane.active").first
    before = label.get_attribute("aria-label")
    page.keyboard.press("ArrowDown")
    assert label.get_attribute("aria-label") != before
    page.keyboard.press("ArrowUp")
    assert label.get_attribute("aria-label") == before
    page.locator(".plane.coronal").first.hover()
    page.mouse.wheel(0, 100)
    page.locator(".plane.coronal.active").first.wait_for()
    page.keyboard.press("f")
    assert page.locator(".plane:visible").count() == 1
    page.keyboard.press("+")
    assert "scale(1.25)" in page.locator(".plane.active .stage").first.get_attribute("style")
    page.keyboard.press("0")
    assert page.locator(".plane:visible").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def _nothing_grave(page: Any, part: str) -> None:
    grave = [
        (issue["id"], [node["target"] for node in issue["nodes"]][:3])
        for issue in page.evaluate("part => axe.run(part)", part)["violations"]
        if issue["impact"] in ("serious", "critical")
    ]
    assert grave == []


def _is_what_the_reader_meant(study: Path, folder: Path, rows: list[dict[str, str]]) -> None:
    key = {row["item"]: row for row in key_of(study)}
    assert {row["item"] for row in rows} == set(key)
    found = summarize_rating_files([folder / "ratings.csv"], study / "key.csv", bootstraps=50)
    values = {
        (e.kind, e.question, e.candidate, e.answer): (e.value, e.n_cases) for e in found.estimates
    }
    assert values["level", "quality", "wonder-net", ""] == (5, 2)
    assert values["difference", "quality", "wonder-net", ""] == (2, 2)
    assert values["level", "realism", "untouched", ""] == (2, 2)
    assert values["level", "invented", "untouched", "no"] == (1, 2)
    assert values["pair", "same_anatomy", "wonder-net", "yes"] == (1, 2)
    assert values["pair", "preferred", "wonder-net", "wonder-net"] == (1, 2)
    assert {one.exact for one in found.agreements if one.kind == "intra"} == {1.0}
    assert found.seconds is not None


def test_the_command(
    cohorts: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.yaml").write_text(
        "title: Bilder\nquestions:\n- {name: noise, text: Rauschen?, answers: [viel, wenig]}\n"
    )
    pairs = [f"{name}={path}" for name, path in cohorts.items()]
    given = ["--questions", str(tmp_path / "q.yaml"), "--cases", "2", "--repeat", "0", "--json"]
    code = entry._run(["reader-study", *pairs, "-o", str(tmp_path / "o"), *given])
    document = json.loads(capfd.readouterr().out)
    assert (code, document["single"], document["pair"], document["repeated"]) == (0, 4, 0, 0)
    assert "Rauschen?" in (tmp_path / "o" / "reader_study.html").read_text()
    assert json.loads((tmp_path / "o" / "run.json").read_text())["study"] == document["study"]
