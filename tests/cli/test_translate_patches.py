"""harmonize-kit translate with networks of patches, from a table to images."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from normalised_heads import TINY, make_heads

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")
pytest.importorskip("torchio", reason="torchio is not installed (extra: augment)")

from harmonize_kit_cli import main as entry  # noqa: E402


def test_patches_are_trained_on_varied_and_whole_heads_come_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.set_num_threads(1)
    table, model, out = make_heads(tmp_path / "in", "ABAB"), tmp_path / "model", tmp_path / "out"
    config = tmp_path / "config.json"
    training = {
        **TINY["training"], "phases": [{"steps": 2}], "crop": 16, "average": 0.0, "samples": 1,
        "augmentation": {"probability": 1.0},
    }  # fmt: skip
    sections = {
        "generator": {"architecture": "unet", "features": 2, "blocks": 1, "dimensions": 3},
        "discriminator": {"features": 2, "layers": 1, "dimensions": 3},
        "training": training,
    }
    config.write_text(json.dumps({**TINY, **sections}))
    here = ["--site", "scanner", "--device", "cpu"]
    train = ["translate", "train", str(table), "-o", str(model), "-c", str(config), *here]
    assert entry._run([*train, "--reference", "A"]) == 0
    assert "2 steps" in capfd.readouterr().out
    # A head of five slices is thinner than its patch; pictures are of the plane that is shown.
    assert (model / "samples" / "step_000002.png").is_file()
    assert entry._run(["translate", "apply", str(model), str(table), "-o", str(out), *here]) == 0
    capfd.readouterr()
    made = pd.read_csv(out / "cohort.csv", dtype=str)
    given = pd.read_csv(table, dtype=str)
    for row, before in zip(made.itertuples(), given.itertuples(), strict=True):
        new, old = (
            nibabel.load(folder / str(one.Image_t1))
            for folder, one in ((out, row), (tmp_path / "in", before))
        )
        np.testing.assert_allclose(new.affine, old.affine, atol=1e-5)
        brain = nibabel.load(tmp_path / "in" / str(before.Brain_mask)).get_fdata() > 0
        after, was = new.get_fdata(), old.get_fdata()
        np.testing.assert_array_equal(after[~brain], was[~brain])
        # A head of the other site is changed wherever it is brain, and one of the reference kept.
        changed = float(np.mean(after[brain] != was[brain]))
        assert changed > 0.9 if str(row.scanner) == "B" else changed == 0
