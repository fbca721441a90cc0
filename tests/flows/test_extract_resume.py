"""Shards, interruptions and what they leave: right, and no work twice."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import make_volume

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.cohort import Case
from harmonize_kit.errors import ConfigError, DependencyError, OutputError
from harmonize_kit.flows.case import CaseWork, Files, measure_case, result_key
from harmonize_kit.flows.estimate import estimate_extraction
from harmonize_kit.flows.extract import ExtractionRun, extract_to_folder
from harmonize_kit.flows.plan import load_params
from harmonize_kit.storage.images import write_image
from harmonize_kit.storage.results import ResultStore, owner_of

SERIAL = ExecutionConfig(workers=1)
PRODUCTS = ("features.csv", "features.json", "features.parquet", "failures.csv")
# Workers import the script too, so that the one that takes case 001 first is killed in mid-work.
DIES_ONCE = """
import os, signal
from pathlib import Path
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.flows.extract import extract_to_folder
from harmonize_kit.provenance import Journal

write = Journal.write

def die_once(self, case_id, key, event, **more):
    if (case_id, event) == ("001", "done") and not Path({died!r}).exists():
        Path({died!r}).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, case_id, key, event, **more)

Journal.write = die_once
if __name__ == "__main__":
    extract_to_folder(Path({cohort!r}), Path({out!r}), {params!r}, ExecutionConfig(workers=2))
"""


@pytest.fixture
def params(tmp_path: Path) -> str:
    path = tmp_path / "params.yaml"
    path.write_text("featureClass:\n  firstorder: [Mean, Entropy]\n  shape: [MeshVolume]\n")
    return str(path)


def shard(cohort: Path, out: Path, params: str, part: str) -> ExtractionRun:
    return extract_to_folder(cohort, out, params, ExecutionConfig(workers=1, shard=part))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in PRODUCTS}


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_the_last_shard_writes_what_one_run_would(
    cohort_path: Path, tmp_path: Path, params: str, order: tuple[int, ...]
) -> None:
    frame = pd.read_csv(cohort_path, dtype=str)
    frame.assign(Label=["9", "1", "1", "1"]).to_csv(cohort_path, index=False)
    (tmp_path / "3_mask.nrrd").unlink()
    extract_to_folder(cohort_path, tmp_path / "whole", params, SERIAL)
    out = tmp_path / "shards"
    for number in order[:2]:
        run = shard(cohort_path, out, params, f"{number}/3")
        assert run.table is None
        assert run.to_do > 0
        assert not (out / "features.csv").exists()
        assert not (out / "failures.csv").exists()
    last = shard(cohort_path, out, params, f"{order[2]}/3")
    assert (last.to_do, last.cases, len(last.failures)) == (0, 4, 2)
    assert contents(out) == contents(tmp_path / "whole")
    assert sorted(event["id"] for event in events(out)) == ["000", "001", "002", "003"]


def test_shards_are_finished_by_a_run_without(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    out = tmp_path / "out"
    assert shard(cohort_path, out, params, "1/2").computed == 2
    whole = extract_to_folder(cohort_path, out, params, SERIAL)
    assert (whole.computed, whole.reused) == (2, 2)
    extract_to_folder(cohort_path, tmp_path / "plain", params, SERIAL)
    assert contents(out) == contents(tmp_path / "plain")


def test_a_shard_does_not_take_an_old_result_for_a_changed_image(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    out = tmp_path / "out"
    shard(cohort_path, out, params, "1/2")
    write_image(make_volume(50), tmp_path / "0_image.nrrd")
    run = shard(cohort_path, out, params, "2/2")
    assert (run.table, run.to_do) == (None, 1)
    assert shard(cohort_path, out, params, "1/2").table is not None


def test_more_shards_than_cases_is_told(cohort_path: Path, tmp_path: Path, params: str) -> None:
    with pytest.raises(ConfigError, match="only 4 cases"):
        shard(cohort_path, tmp_path / "out", params, "5/5")
    for wrong in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(ValueError, match="expected I/N"):
            ExecutionConfig(shard=wrong)


def test_keys_stand_with_every_event_where_they_are_known(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    frame = pd.read_csv(cohort_path, dtype=str)
    frame.assign(Label=["1", "9", "1", "1"]).to_csv(cohort_path, index=False)
    (tmp_path / "2_mask.nrrd").unlink()
    extract_to_folder(cohort_path, tmp_path / "out", params, SERIAL)
    keys = {event["id"]: event["key"] for event in events(tmp_path / "out")}
    assert keys.pop("002") == ""
    for case_id, key in keys.items():
        assert key.startswith(owner_of(case_id) + "-")
        assert (tmp_path / "out" / "cases" / f"{key}.json").exists() == (case_id != "001")


def test_what_a_killed_run_left_half_written_is_ignored_and_cleared(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    out = tmp_path / "out"
    extract_to_folder(cohort_path, out, params, SERIAL)
    before = contents(out)
    dead, alive = out / "cases" / ".writing-dead.json", out / "cases" / ".writing-alive.json"
    for path in (dead, alive):
        path.write_text('{"sha256": "')
        os.utime(path, (1, 1))
    with (out / "journal.jsonl").open("a") as journal:
        journal.write('{"id": "half')
    empty = next((out / "cases").glob("[!.]*.json"))
    empty.write_text("")
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run = extract_to_folder(cohort_path, out, params, SERIAL)
    assert (run.computed, run.reused) == (1, 3)
    assert contents(out) == before
    assert (dead.exists(), alive.exists()) == (False, True)
    assert len(events(out)) == 5


def test_a_result_that_was_kept_but_not_noted_is_noted_once(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    out = tmp_path / "out"
    extract_to_folder(cohort_path, out, params, SERIAL)
    noted = events(out)
    journal = out / "journal.jsonl"
    # As if the worker had been killed between its result and its line, and another at its line.
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]) + b'{"id')
    kept = {path: path.stat().st_mtime_ns for path in (out / "cases").iterdir()}
    for _ in range(2):
        run = extract_to_folder(cohort_path, out, params, SERIAL)
        assert (run.computed, run.reused) == (0, 4)
        assert {path: path.stat().st_mtime_ns for path in (out / "cases").iterdir()} == kept
        assert [(line["id"], line["key"], line["event"]) for line in events(out)] == [
            (line["id"], line["key"], "done") for line in noted
        ]
    assert ["seconds" in line for line in events(out)] == [True, True, False, False]


def test_a_worker_that_dies_between_result_and_line_leaves_one_line(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    """Tried again, its case is found done."""
    out = tmp_path / "out"
    died = tmp_path / "died"
    named = {"died": str(died), "cohort": str(cohort_path), "out": str(out), "params": params}
    script = tmp_path / "run.py"
    script.write_text(DIES_ONCE.format(**named))
    subprocess.run([sys.executable, str(script)], check=True, timeout=120)
    assert died.exists()
    lines = events(out)
    assert sorted(line["id"] for line in lines if line["event"] == "done") == [
        "000", "001", "002", "003",
    ]  # fmt: skip
    assert [line["event"] for line in lines].count("retried") == 1


def test_a_full_disk_ends_the_run_and_costs_nothing(
    cohort_path: Path, tmp_path: Path, params: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write, room = ResultStore.write, 2

    def full(self: ResultStore, key: str, result: dict[str, Any]) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, key, result)

    monkeypatch.setattr(ResultStore, "write", full)
    with pytest.raises(OutputError, match=r"No space left on device.*run the same again"):
        extract_to_folder(cohort_path, out, params, SERIAL)
    assert not (out / "features.csv").exists()
    monkeypatch.undo()
    run = extract_to_folder(cohort_path, out, params, SERIAL)
    assert (run.computed, run.reused) == (2, 2)


def test_an_image_that_changes_while_it_is_read_has_no_result(
    cohort_path: Path, tmp_path: Path, params: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harmonize_kit.flows import case as module

    def digest_and_change(work: CaseWork, files: Files) -> str:
        key = result_key(work, files)
        write_image(make_volume(60), tmp_path / "0_image.nrrd")
        return key

    monkeypatch.setattr(module, "result_key", digest_and_change)
    files = {"": str(tmp_path / "0_image.nrrd")}
    case = Case("000", files, str(tmp_path / "0_mask.nrrd"), (1,))
    work = CaseWork(case, load_params(params), str(tmp_path / "cases"))
    with pytest.raises(Exception, match="changed while it was read"):
        measure_case(work)
    assert not (tmp_path / "cases").exists()


def test_a_worker_of_another_version_is_refused(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    case = Case("000", {"": str(tmp_path / "0_image.nrrd")}, str(tmp_path / "0_mask.nrrd"))
    work = CaseWork(case, load_params(params), made_by="harmonize-kit 0.0.1")
    with pytest.raises(DependencyError, match=r"harmonize-kit 0\.0\.1; install the same"):
        measure_case(work)


def test_a_dry_run_tells_and_leaves_nothing(cohort_path: Path, tmp_path: Path, params: str) -> None:
    out = tmp_path / "out"
    (tmp_path / "2_mask.nrrd").unlink()
    frame = pd.read_csv(cohort_path, dtype=str)
    frame.assign(Label=["1", "9", "1", "1"]).to_csv(cohort_path, index=False)
    found = estimate_extraction(cohort_path, out, params, ExecutionConfig(workers=2))
    assert not out.exists()
    assert (found.cases, found.kept, found.sample, found.workers) == (4, 0, 3, 2)
    assert [problem[:3] for problem in found.problems] == ["001", "002"]
    assert found.low is not None
    assert found.seconds is not None
    assert found.high is not None
    assert 0 < found.low <= found.seconds <= found.high
    extract_to_folder(cohort_path, out, params, SERIAL)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    found = estimate_extraction(cohort_path, out, params, SERIAL)
    assert (found.cases, found.kept) == (4, 2)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_progress_counts_what_was_there(cohort_path: Path, tmp_path: Path, params: str) -> None:
    out = tmp_path / "out"
    shard(cohort_path, out, params, "1/2")
    told: list[tuple[bool, int, int]] = []
    extract_to_folder(
        cohort_path, out, params, SERIAL,
        progress=lambda outcome, done, total: told.append((outcome is None, done, total)),
    )  # fmt: skip
    assert told == [(True, 2, 4), (False, 3, 4), (False, 4, 4)]


def test_rows_of_different_features_and_order_make_one_table(tmp_path: Path) -> None:
    from harmonize_kit.core.cohort import Cohort
    from harmonize_kit.flows.assemble import feature_table

    regions = {
        "a": [{"label": 1, "values": {"x": 1.0, "y": None}, "notes": []}],
        "b": [{"label": 1, "values": {"y": 2.0, "z": 3.0}, "notes": ["odd"]}],
    }
    cohort = Cohort(tuple(Case(name, {}) for name in "abc"))
    table = feature_table(cohort, lambda case: regions.get(case.id), load_params({}))
    expected = pd.DataFrame(
        {"x": [1.0, None], "y": [None, 2.0], "z": [None, 3.0]}, index=["a", "b"], dtype=float
    ).rename_axis("id")
    pd.testing.assert_frame_equal(table.features, expected, check_index_type=False)
    assert table.covariates["warning"].tolist() == ["", "odd"]
