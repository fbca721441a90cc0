"""harmonize-kit translate fit: what it says, and the codes it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from normalised_heads import make_heads

from harmonize_kit_cli import main as entry


def call(*arguments: object) -> int:
    return entry._run(["translate", *map(str, arguments)])


def test_fit_and_apply_end_as_the_contract_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table, model = make_heads(tmp_path / "in", "ABABAB"), tmp_path / "model"
    fit = ("fit", table, "-o", model, "--site", "scanner", "--method", "curve", "--reference")
    assert call(*fit[:-2], "cyclegan", "--reference", "A") == 2
    assert call(*fit, "C") == 4
    assert "no training case of the reference 'C'" in capfd.readouterr().err
    assert call(*fit, "A", "--alike", "sex,age") == 4
    assert "which curve would take for the scanners'" in capfd.readouterr().err
    assert not model.exists()
    damaged = tmp_path / "in/3_t1.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    assert call(*fit, "A", "--alike", "age,sex", "--despite-differences") == 3
    told = capfd.readouterr().out
    assert "Note: sites differ in " in told
    assert "left out: 003: TRUNCATED" in told
    assert "Fitted curve on 3 of A, 2 of B" in told
    assert call(*fit, "A", "--json") == 3
    document = json.loads(capfd.readouterr().out)
    assert (document["ok"], document["cases"], document["failed"]) == (False, {"A": 3, "B": 2}, 1)
    apply = ("apply", model, table, "-o", tmp_path / "out", "--site", "scanner", "--workers", "1")
    assert call(*apply, "--dry-run") == 0
    assert "6 cases: 0 kept from before, 6 to translate" in capfd.readouterr().out
    assert call(*apply) == 3
    assert "Note: 3 cases are of 'A' already" in capfd.readouterr().out
    assert call(*fit[:-2], "nyul", "--reference", "A", "--alike", "sex") == 4
    assert "leave out --alike" in capfd.readouterr().err
    document = (model / "model.json").read_text()
    (model / "model.json").write_text(document.replace('"A": 3', '"A": 4'))
    assert call(*apply) == 7


def test_translation_files_are_validated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    def validate(text: str) -> int:
        (tmp_path / "f.yaml").write_text(text)
        return entry._run(["validate", str(tmp_path / "f.yaml")])

    assert entry._run(["validate", "cyclegan-small-cpu"]) == 0
    assert "valid translation configuration: unet" in capfd.readouterr().out
    assert validate("training:\n  phases: [{steps: 12}]\n") == 0
    assert "12 steps" in capfd.readouterr().out
    assert validate("generator:\n  featurs: 3\ntraining: {batch: 0}\n") == 4
    told = capfd.readouterr().err
    assert "generator.featurs" in told
    assert "training.batch" in told
    assert validate("change_at_most: 2\nlesion_volume: [0.5, 2]\n") == 0
    assert "valid bounds of guards: change_at_most, lesion_volume" in capfd.readouterr().out
    assert validate("{'explained_at_least': 2}") == 4
    assert validate("setting:\n  binWidth: 5\n") == 0
    assert "extraction parameters" in capfd.readouterr().out
