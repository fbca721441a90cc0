"""split from the command line: cohorts that hold from where they stand, and clear refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harmonize_kit.flows import split_files
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit_cli import main as entry


def run(*arguments: object) -> int:
    return entry._run([str(argument) for argument in arguments])


def write_cohort(path: Path, n: int = 40, **columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "id": [f"{number:03d}" for number in range(n)],
            "Image": [f"images/{number}.nii.gz" for number in range(n)],
            "Mask": [f"../masks/{number}.nii.gz" for number in range(n)],
            "subject": [f"p{number // 2}" for number in range(n)],
            "site": ["NA" if number // 2 % 3 else "Oslo, north" for number in range(n)],
            "age": [str(30 + number // 2) for number in range(n)],
            **columns,
        },
        dtype=object,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    return frame


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_parts_are_disjoint_by_subject_complete_and_in_proportion(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = write_cohort(tmp_path / "data" / "cohort.csv")
    split = ("split", tmp_path / "data" / "cohort.csv", "--stratify", "site,age", "--json")
    assert run(*split, "-o", tmp_path / "out", "--column", "split") == 0
    said = json.loads(capfd.readouterr().out)
    parts = {name: read(tmp_path / "out" / f"{name}.csv") for name in said["parts"]}
    assert list(parts) == ["train", "validation", "test"]
    subjects = [set(part["subject"]) for part in parts.values()]
    assert sum(map(len, subjects)) == len(set.union(*subjects)) == 20
    assert sorted(i for part in parts.values() for i in part["id"]) == list(whole["id"])
    assert [len(names) for names in subjects] == [14, 3, 3]
    joined = pd.concat(parts.values()).sort_values("id", ignore_index=True)
    untouched = ["id", "subject", "site", "age"]
    assert joined[untouched].to_dict("list") == whole[untouched].to_dict("list")
    marked = read(tmp_path / "out" / "cohort.csv")
    for name, part in parts.items():
        assert list(marked.loc[marked["split"] == name, "id"]) == list(part["id"])
    record = json.loads((tmp_path / "out" / "split.json").read_text())
    assert record["columns"]["site"]["kind"] == "groups"
    assert record["columns"]["age"]["edges"] == [34.75, 39.5, 44.25]
    assert record["by"] == "subject"
    counted = sum(sum(stratum["subjects"].values()) for stratum in record["strata"])
    assert counted == 20


def test_paths_hold_from_the_parts_absolute_ones_stay(tmp_path: Path) -> None:
    fixed = [f"/data/{number}.nii.gz" for number in range(40)]
    write_cohort(tmp_path / "data" / "cohort.csv", Brain_mask=fixed, image_note=["x"] * 40)
    # A link, behind which '..' leads elsewhere than it seems.
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    for folder in (tmp_path / "out", tmp_path / "link" / "out"):
        assert run("split", tmp_path / "data" / "cohort.csv", "-o", folder) == 0
        cohort = read_cohort(folder / "test.csv")
        for case in cohort:
            number = int(case.id)
            assert Path(case.images[""]).resolve() == tmp_path / "data/images" / f"{number}.nii.gz"
            assert Path(case.mask).resolve() == tmp_path / "masks" / f"{number}.nii.gz"
            assert case.columns["Brain_mask"] == fixed[number]
            assert case.columns["image_note"] == "x"


def test_rows_in_another_order_give_the_same_parts_and_bytes_repeat(tmp_path: Path) -> None:
    whole = write_cohort(tmp_path / "cohort.csv")
    whole.sample(frac=1, random_state=1).to_csv(tmp_path / "shuffled.csv", index=False)
    for name in ("cohort", "shuffled", "cohort"):
        options = ("-o", tmp_path / name, "--stratify", "site,age", "--seed", "5")
        assert run("split", tmp_path / f"{name}.csv", *options) == 0
    for part in ("train", "validation", "test"):
        one, other = (read(tmp_path / name / f"{part}.csv") for name in ("cohort", "shuffled"))
        assert sorted(one["id"]) == sorted(other["id"])
    before = {path.name: path.read_bytes() for path in (tmp_path / "cohort").iterdir()}
    assert run("split", tmp_path / "cohort.csv", *options[2:], "-o", tmp_path / "again") == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == before


def test_folds_test_each_subject_once_and_what_is_left_over_goes(tmp_path: Path) -> None:
    write_cohort(tmp_path / "cohort.csv")
    split = ("split", tmp_path / "cohort.csv", "-o", tmp_path / "out")
    assert run(*split) == 0
    assert run(*split, "--folds", "4", "--stratify", "site", "--column", "fold") == 0
    assert not (tmp_path / "out" / "validation.csv").exists()
    tested: list[str] = []
    for fold in range(1, 5):
        train, test = (read(tmp_path / f"out/fold-{fold}/{part}.csv") for part in ("train", "test"))
        assert set(train["subject"]).isdisjoint(test["subject"])
        assert len(train) + len(test) == 40
        tested += list(test["id"])
    assert sorted(tested) == sorted(set(tested)) == list(read(tmp_path / "cohort.csv")["id"])
    assert run(*split, "--fractions", "0.8,0.2") == 0
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["split.json", "test.csv", "train.csv"]


def test_a_split_that_is_cut_short_leaves_no_part_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cohort(tmp_path / "cohort.csv")
    split = ("split", tmp_path / "cohort.csv", "-o", tmp_path / "out")
    assert run(*split) == 0
    write = split_files.write_text_table

    def fail_at_second(frame: pd.DataFrame, path: Path) -> None:
        if path.name == "validation.csv":
            raise OSError(28, "No space left on device", str(path))
        write(frame, path)

    monkeypatch.setattr(split_files, "write_text_table", fail_at_second)
    assert run(*split, "--seed", "1") == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["train.csv"]


def test_several_modalities_without_masks_and_subjects(tmp_path: Path) -> None:
    frame = write_cohort(tmp_path / "cohort.csv")
    frame = frame.rename(columns={"Image": "Image_t1"}).drop(columns=["Mask", "subject"])
    frame["Image_t2"] = ["" if number % 2 else "a.nii" for number in range(40)]
    frame.to_csv(tmp_path / "cohort.csv", index=False)
    assert run("split", tmp_path / "cohort.csv", "-o", tmp_path / "out") == 0
    got = read(tmp_path / "out" / "train.csv")
    assert len(got) == 28
    assert set(got["Image_t2"]) == {"", "../a.nii"}


def test_sessions_that_are_torn_apart_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ids = [f"sub-{number // 2:02d}_ses-{number % 2}" for number in range(40)]
    frame = write_cohort(tmp_path / "cohort.csv").assign(id=ids)
    frame.drop(columns="subject").to_csv(tmp_path / "cohort.csv", index=False)
    assert run("split", tmp_path / "cohort.csv", "-o", tmp_path / "out") == 0
    assert "several sessions of one subject" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--stratify", "sit"], 4, "no column 'sit'. Did you mean 'site'?"),
        (["--by", "person"], 4, "no column 'person'"),
        (["--fractions", "0.7,0.2"], 4, "add up to 1"),
        (["--fractions", "0.7,x"], 4, "fractions.1"),
        (["--fractions", "0.5,0.5", "--folds", "3"], 2, "exclude each other"),
        (["--folds", "21"], 4, "at least 21 subjects"),
        (["--stratify", "group"], 4, "column 'group' is missing for '001', '003'"),
        (["--stratify", "weight"], 4, "column 'weight' is missing for '000'"),
        (["--column", "Age"], 4, "a column 'Age' already"),
    ],
)
def test_refusals_name_what_is_wrong_and_write_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    group = ["n/a" if number in (1, 3) else "a" for number in range(40)]
    weight = ["NA", *(str(number / 7) for number in range(1, 40))]
    write_cohort(tmp_path / "cohort.csv", group=group, weight=weight)
    assert run("split", tmp_path / "cohort.csv", "-o", tmp_path / "out", *options) == code
    assert message in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["train.csv", "cohort.csv"])
def test_tables_of_others_are_not_overwritten(tmp_path: Path, name: str, capfd: Any) -> None:
    write_cohort(tmp_path / "in" / "cohort.csv")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    assert run("split", tmp_path / "in" / "cohort.csv", "-o", tmp_path / "out") == 4
    assert "no split wrote" in capfd.readouterr().err
    assert (tmp_path / "out" / name).read_text() == "mine"
    assert run("split", tmp_path / "in" / "cohort.csv", "-o", tmp_path / "in") == 4
    assert "could be overwritten" in capfd.readouterr().err
