"""Every damaged, odd and hostile input ends as the manifest says, in process and by command."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from corpus.builders import MAKERS, PATIENT
from corpus.make import make_case
from corpus.manifest import Expected, expected_cases, expected_tables, parameters
from corpus.tables import TABLES, make_table

import harmonize_kit as hk
from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.cohort import Case
from harmonize_kit.errors import CaseError, TableError
from harmonize_kit.features.limits import require_resampled_size
from harmonize_kit.flows.case import CaseWork, measure_case
from harmonize_kit.storage.cohorts import missing_files

CASES = {case.name: case for case in expected_cases()}
TABLE_CASES = {case.name: case for case in expected_tables()}
COMMAND = [sys.executable, "-c", "from harmonize_kit_cli.main import main; main()"]
Paths = dict[str, tuple[Path, Path]]
Measure = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    folder = tmp_path_factory.mktemp("corpus")
    return {name: make_case(name, folder) for name in CASES}


@pytest.fixture(scope="module")
def measure(corpus: Paths) -> Measure:
    @cache
    def measure(name: str) -> dict[str, Any]:
        image, mask = corpus[name]
        config = ExtractionConfig.model_validate(parameters()[CASES[name].params])
        case = Case(CASES[name].case_id, {"": str(image)}, str(mask))
        (region,) = measure_case(CaseWork(case, config))["regions"]
        return region

    return measure


def require_means(case: Expected) -> None:
    if case.needs == "not root" and os.geteuid() == 0:
        pytest.skip("root may read every file")


def test_the_manifest_names_every_case_and_table_once() -> None:
    assert len(CASES) == len(expected_cases())
    assert set(CASES) == set(MAKERS)
    assert set(TABLE_CASES) == set(TABLES)


@pytest.mark.parametrize("name", CASES)
def test_in_process(name: str, measure: Measure) -> None:
    case = CASES[name]
    require_means(case)
    check(case, measure)


def check(case: Expected, measure: Measure) -> None:
    name = case.name
    if case.fails:
        start = time.perf_counter()
        with pytest.raises(CaseError) as caught:
            measure(name)
        assert caught.value.code in case.expect, caught.value
        assert case.says
        assert case.says in caught.value.message
        assert time.perf_counter() - start < 5
        return
    region = measure(name)
    assert region["values"]
    if case.expect == ("W",):
        assert case.note
        assert case.note in "; ".join(region["notes"])
    else:
        assert region["notes"] == []
    if case.like:
        assert region["values"] == measure(case.like)["values"]


@pytest.mark.parametrize(
    "name", ["huge_dims_small_payload", "large_dims_small_payload", "gzip_bomb", "nrrd_huge_dims",
             "gzip_bomb_after_voxels", "mha_huge_dims", "gray_levels_gt_cap"],
)  # fmt: skip
def test_what_is_declared_is_not_allocated(name: str, measure: Measure) -> None:
    measure("whole")
    tracemalloc.start()
    try:
        with pytest.raises(CaseError):
            measure(name)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def run(corpus: Paths, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """One run of the command over all cases with plain parameters."""
    folder = tmp_path_factory.mktemp("run")
    with (folder / "cohort.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "Image", "Mask", "site"])
        for name, case in plain_cases().items():
            image, mask = corpus[name]
            here = image if name == "absolute_outside_root" else os.path.relpath(image, folder)
            writer.writerow([case.case_id, here, mask, f"<b>{name}</b>"])
    (folder / "params.yaml").write_text(json.dumps(parameters()["plain"]))
    done = call("extract", folder / "cohort.csv", "-o", folder / "out", "--workers", "1",
                "--params", folder / "params.yaml")  # fmt: skip
    return folder, done.returncode


def plain_cases() -> dict[str, Expected]:
    return {
        name: case
        for name, case in CASES.items()
        if case.params == "plain" and not (case.needs == "not root" and os.geteuid() == 0)
    }


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_by_command_row_by_row(
    run: tuple[Path, int], measure: Measure, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, code = run
    assert code == 3
    features = {row["id"]: row for row in rows_of(folder / "out" / "features.csv")}
    failures = {row["id"]: row for row in rows_of(folder / "out" / "failures.csv")}
    cases = plain_cases()
    wrong: list[str] = []
    for name, case in cases.items():
        row = features.get(case.case_id)
        if case.fails:
            failure = failures.get(case.case_id, {"code": "nothing", "message": ""})
            right = failure["code"] in case.expect and case.says in failure["message"]
        else:
            right = row is not None and case.note in row["warning"]
            right = right and row is not None and (row["warning"] == "") == (case.expect == ("OK",))
            right = right and row is not None and _numbers(row) == measure(name)["values"]
        if not right:
            wrong.append(name)
    with capsys.disabled():
        passed = len(cases) - len(wrong)
        sys.stdout.write(f"\ncorpus, by command: {passed} of {len(cases)} as listed\n")
    assert wrong == []
    # Nothing is left out, nothing made up, and the order is the cohort's.
    ids = [case.case_id for case in cases.values()]
    assert list(features) == [case.case_id for case in cases.values() if not case.fails]
    assert list(failures) == [name for name in ids if name not in features]


def test_missing_files_are_listed_before_a_case_is_run(run: tuple[Path, int]) -> None:
    listed = missing_files(hk.read_cohort(run[0] / "cohort.csv"))
    for name in ("nowhere.nii.gz", "link.nii.gz"):
        assert sum(name in sentence for sentence in listed) == 1
    assert len(listed) == 2


def _numbers(row: dict[str, str]) -> dict[str, float | None]:
    return {
        name: float(text) if text else None
        for name, text in row.items()
        if name not in ("id", "site", "warning")
    }


def test_hostile_ids_stay_in_their_folder_and_nothing_of_a_patient_comes_out(
    run: tuple[Path, int],
) -> None:
    folder, _ = run
    assert sorted(path.name for path in folder.iterdir()) == ["cohort.csv", "out", "params.yaml"]
    for path in (folder / "out").rglob("*"):
        assert path.resolve().is_relative_to(folder)
        if path.is_file():
            assert PATIENT.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, corpus: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    case = TABLE_CASES[name]
    path = make_table(name, corpus["whole"][0].parent)
    if not case.fails:
        table = hk.extract(path, parameters()["plain"], workers=1)
        assert table.ids == ["a"]
        return
    with pytest.raises(TableError, match=case.says):
        hk.read_cohort(path)
    out = path.parent / f"out-{name}"
    done = call("extract", path, "-o", out, "--workers", "1")
    assert (done.returncode, out.exists()) == (4, False)
    assert case.says in done.stderr


def test_extra_columns_pass_through_unchanged(corpus: Paths) -> None:
    path = make_table("extra_columns", corpus["whole"][0].parent)
    table = hk.extract(path, parameters()["plain"], workers=1)
    assert table.covariates[["site", "note"]].to_numpy().tolist() == [["007", "=1+1"]]


def test_the_size_after_resampling_is_known_before() -> None:
    require_resampled_size((100, 100, 50), (1, 1, 3), (0.5, 0.5, 0), margin=5)
    require_resampled_size((10, 10, 10), (1, 1, 1), (1, 1, 1), limit=1000)
    for asked in ((0.9, 1, 1), (1, 1, 0.9)):
        with pytest.raises(CaseError) as caught:
            require_resampled_size((10, 10, 10), (1, 1, 1), asked, limit=1000)
        assert caught.value.code == "TOO_LARGE"
        assert "raise resampledPixelSpacing" in caught.value.message
