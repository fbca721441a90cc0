"""preprocess on a BIDS dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scans_on_disk import ball, save

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import TableError
from harmonize_kit.flows.preprocess import PreprocessingRun, preprocess_to_folder
from harmonize_kit.flows.preprocess_plan import Options


def run(tmp_path: Path, **more: Any) -> PreprocessingRun:
    method = {"method": "z-score", "foreground": "nonzero"}
    config = {"stages": ["normalize"], "normalize": {"default": method}, **more}
    serial, options = ExecutionConfig(workers=1), Options(sheets=False)
    return preprocess_to_folder(tmp_path / "bids", tmp_path / "out", config, serial, options)


def test_subjects_and_their_columns_are_those_of_the_dataset(tmp_path: Path) -> None:
    bids = tmp_path / "bids"
    rng = np.random.default_rng(0)
    for subject in ("01", "02"):
        for name in ("acq-a_T1w", "acq-b_T1w", "FLAIR"):
            image = (rng.normal(300, 40, ball().shape) * ball()).astype(np.int16)
            save(image, bids / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}.nii.gz")
    (bids / "participants.tsv").write_text("participant_id\tage\nsub-01\t40\nsub-02\t50\n")
    with pytest.raises(TableError, match="two images of T1w"):
        run(tmp_path)
    made = run(tmp_path, modalities=["T1w"], entities={"acq": "b"})
    assert made.table is not None
    assert made.table["id"].tolist() == ["sub-01", "sub-02"]
    assert made.table["age"].tolist() == ["40", "50"]
    images = {path.name for path in (tmp_path / "out" / "images" / "sub-01").iterdir()}
    assert images == {"sub-01_T1w.nii.gz", "sub-01_mask.nii.gz"}
