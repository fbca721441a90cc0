"""harmonize-kit translate fit: what it says, and the codes it ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from normalised_heads import edit, make_heads

from harmonize_kit.config.translate_fit import BY_IMAGE, METHODS
from harmonize_kit_cli import main as entry


def call(*arguments: object) -> int:
    return entry._run(["translate", *map(str, arguments)])


def test_fit_and_apply_end_as_the_contract_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table, model = make_heads(tmp_path / "in", "ABABAB"), tmp_path / "model"
    edit(table, age=["40", "50", "41", "51", "42", "52"])
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


def inspected(model: Path, capfd: pytest.CaptureFixture[str]) -> tuple[str, dict[str, Any]]:
    """What inspect says to people, and as JSON."""
    capfd.readouterr()
    assert entry._run(["inspect", str(model)]) == 0
    told = capfd.readouterr().out
    assert entry._run(["inspect", str(model), "--json"]) == 0
    return told, json.loads(capfd.readouterr().out)


def test_inspect_says_what_a_fitted_translation_does_and_was_fitted_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = make_heads(tmp_path / "in", "ABABBB", modalities=("t1", "t2"))
    (tmp_path / "in/5_t1.nii.gz").write_bytes(b"nothing")
    found: dict[str, dict[str, Any]] = {}
    text = ""
    for method in METHODS:
        by_site = method not in BY_IMAGE
        fit = ("fit", table, "-o", tmp_path / method, "--site", "scanner", "--reference", "A")
        assert call(*fit, "--method", method) == (3 if by_site else 0)
        told, found[method] = inspected(tmp_path / method, capfd)
        known, text = found[method], text + told
        assert (known["ok"], known["kind"], known["reference"]) == (True, method, "A")
        assert (known["modalities"], known["left_out"]) == (["t1", "t2"], int(by_site))
        assert known["serves_any_site"] is not by_site
        counts = {site: about["cases"] for site, about in known["sites"].items()}
        assert counts == ({"A": 2, "B": 3} if by_site else {"A": 2})
        assert known["cases"] == sum(counts.values())
        assert known["made_by"]["command"] == "translate fit"
        assert ("5, 1 left out" in told, "to B\n" in told) == (by_site, by_site)
    assert len({one["digest"] for one in found.values()}) == len(METHODS)
    # The same files were looked at, whatever was made of them.
    assert len({found[method]["trained_on_sha256"] for method in METHODS[3:]}) == 1
    assert "257 percentiles: 0 % at " in text
    assert "16 x 18 x 5 voxels of 0.9 x 0.9 x 2.5 mm, smoothed by 24 mm" in text
    images = [nibabel.load(tmp_path / f"in/{n}_t2.nii.gz").get_fdata() for n in (0, 2)]
    brain = nibabel.load(tmp_path / "in/0_brain.nii.gz").get_fdata() > 0
    scale = found["zscore"]["scale"]["t2"]
    assert scale["mean"] == pytest.approx(np.mean([one[brain].mean() for one in images]), abs=1e-6)
    assert scale["sd"] == pytest.approx(np.mean([one[brain].std() for one in images]), abs=1e-6)
    nyul = found["nyul"]["scale"]["t1"]
    assert (len(nyul["percentiles"]), nyul["percentiles"][0]) == (len(nyul["intensities"]), 1)
    assert found["curve-field"]["sites"]["B"].keys() > {"root_mean_square_field"}
    # Heads of B are brighter by 1, and differ otherwise as any heads do.
    template = found["atlas-template"]["sites"]["B"]["root_mean_square_template"]
    assert all(0.5 < template[name] < 2 for name in ("t1", "t2"))
    assert found["atlas-template"]["sites"]["A"] == {"cases": 2}


def test_inspect_refuses_a_translation_that_was_changed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = make_heads(tmp_path / "in", "ABAB", modalities=("",))
    fit = ("fit", table, "-o", tmp_path / "m", "--site", "scanner", "--reference", "A")
    assert call(*fit, "--method", "curve") == 0
    told, found = inspected(tmp_path / "m", capfd)
    assert (found["modalities"], "curve (RMS) Image " in told) == (["Image"], True)
    apply = ("apply", tmp_path / "m", table, "-o", tmp_path / "out", "--site", "scanner")
    assert call(*apply, "--workers", "1") == 0
    assert found["digest"] in (tmp_path / "out/run.json").read_text()
    (tmp_path / "m/arrays.npz").write_bytes((tmp_path / "m/arrays.npz").read_bytes()[:-40])
    assert entry._run(["inspect", str(tmp_path / "m")]) == 7
    (tmp_path / "m/arrays.npz").unlink()
    assert entry._run(["inspect", str(tmp_path / "m")]) == 7
    assert "is missing" in capfd.readouterr().err


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
