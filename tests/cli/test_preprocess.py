"""harmonize-kit preprocess: what it says, and the codes it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scans_on_disk import make_brats, make_cohort, times

from harmonize_kit_cli import main as entry

SERIAL = ("--workers", "1", "--no-sheets")


def call(*arguments: object) -> int:
    return entry._run(["preprocess", *map(str, arguments)])


def test_a_run_tells_status_by_class_time_and_folders(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tree, out = make_brats(tmp_path / "BraTS", 1, 2), tmp_path / "out"
    arguments = (tree, "-o", out, "-c", "brats-zscore", *SERIAL)
    assert call(*arguments) == 0
    said = capfd.readouterr().out
    assert "HGG: 1 cases: 1 done" in said
    assert "LGG: 2 cases: 2 done" in said
    assert "a case took on average: normalize" in said
    assert f"{out}/manifest.csv; log: {out}/preprocess_" in said
    assert call(*arguments, "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["ok"], document["kept"], document["done"]) == (True, 3, 0)
    assert document["classes"]["LGG"] == {"done": 0, "kept": 2, "failed": 0, "to do": 0}


def test_a_dry_run_tells_what_each_case_needs_and_writes_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tree, out = make_brats(tmp_path / "BraTS", 1, 2), tmp_path / "out"
    arguments = (tree, "-o", out, "-c", "brats-zscore", *SERIAL)
    assert call(*arguments, "--classes", "LGG", "--dry-run") == 0
    said = capfd.readouterr().out
    assert "LGG: 2 cases: 2 to do" in said
    assert "Brats18_LGG_0: normalize, write" in said
    assert "judging by 2 of the cases" in said
    assert not out.exists()
    assert call(*arguments, "--classes", "LGG", "-q") == 0
    before = times(out)
    next((tree / "HGG").rglob("*_t2.nii.gz")).write_bytes(b"")
    assert call(*arguments, "--dry-run", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["cases"], found["kept"]) == (3, 2)
    assert found["to_do"] == {"Brats18_HGG_0": []}
    assert found["problems"][0].startswith("Brats18_HGG_0: EMPTY_FILE")
    assert times(out) == before


def test_codes_are_those_of_the_contract(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table, out = make_cohort(tmp_path / "in"), tmp_path / "out"
    rest = ("--stages", "normalize", *SERIAL)
    assert call(table, "-o", out, "--stages", "n4,normalise", *SERIAL) == 4
    assert "Did you mean 'normalize'?" in capfd.readouterr().err
    assert call(table, "-o", out, "-c", "brain-mr-t9", *SERIAL) == 4
    assert call(tmp_path / "none.csv", "-o", out, *rest) == 4
    (tmp_path / "p.yaml").write_text("stages: [n4]\nn4: {shrink: 4}\n")
    assert call(table, "-o", out, "-c", tmp_path / "p.yaml", *SERIAL) == 4
    assert "n4.shrink" in capfd.readouterr().err
    assert call(table, *SERIAL) == 2
    assert not out.exists()
    brain = tmp_path / "in" / "1_brain.nii.gz"
    brain.write_bytes(brain.read_bytes()[:-5])
    assert call(table, "-o", out, *rest) == 3
    said = capfd.readouterr().out
    assert "Failed: TRUNCATED 1" in said
    assert "001: read: TRUNCATED" in said
    for name in ("0_t1", "2_t1"):
        (tmp_path / "in" / f"{name}.nii.gz").unlink()
    assert call(table, "-o", tmp_path / "bad", *rest) == 5


def test_configurations_are_validated(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert entry._run(["validate", "brain-mr-glioma"]) == 0
    assert "stages convert, quality, coregister" in capfd.readouterr().out
    (tmp_path / "p.yaml").write_text("stages: [n4]\nn4: {shrink: 4}\n")
    assert entry._run(["validate", str(tmp_path / "p.yaml")]) == 4
    assert "n4.shrink" in "".join(capfd.readouterr())
    assert entry._run(["validate", "mr-default"]) == 0


def test_shards_share_the_work_and_the_last_makes_the_table(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table, out = make_cohort(tmp_path / "in", 3), tmp_path / "out"
    arguments = (table, "-o", out, "--stages", "normalize", *SERIAL)
    (tmp_path / "in" / "1_t1.nii.gz").write_bytes(b"no image at all")
    assert call(*arguments, "--shard", "1/2") == 0
    assert "Shard 1/2: no table yet" in capfd.readouterr().out
    assert not (out / "cohort.csv").exists()
    assert call(*arguments, "--shard", "2/2") == 3
    shards = {name: (out / name).read_bytes() for name in ("cohort.csv", "failures.csv")}
    assert call(table, "-o", tmp_path / "one", "--stages", "normalize", *SERIAL) == 3
    assert shards == {name: (tmp_path / "one" / name).read_bytes() for name in shards}
    lines = (out / "journal.jsonl").read_text().splitlines()
    events = [(e["id"], e["event"], e["stage"]) for e in map(json.loads, lines)]
    assert sorted(events) == [
        ("000", "done", "normalize"), ("000", "done", "write"), ("001", "failed", "read"),
        ("002", "done", "normalize"), ("002", "done", "write"),
    ]  # fmt: skip
