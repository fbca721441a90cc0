"""The lines of docs/extraction.md that make a cohort of a BIDS derivative, run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
from conftest import make_volume

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.flows.extract import extract_to_folder
from harmonize_kit.storage.images import write_image, write_mask

DOCUMENT = Path(__file__).parents[2] / "docs" / "extraction.md"


def test_the_lines_make_a_cohort_that_extracts(tmp_path: Path) -> None:
    for subject in ("01", "02"):
        for session in ("1", "2"):
            stem = f"sub-{subject}_ses-{session}"
            place = Path(f"sub-{subject}", f"ses-{session}", "anat")
            volume = make_volume(int(subject) + int(session))
            write_image(volume, tmp_path / place / f"{stem}_T1w.nii.gz")
            derived = tmp_path / "derivatives" / "segmentation" / place
            write_mask(volume, derived / f"{stem}_desc-tumor_mask.nii.gz")
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\nsub-01\t007\nsub-02\tNA\n")
    lines = re.search(r"```python\n(import pandas.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert lines is not None
    subprocess.run([sys.executable, "-W", "error", "-c", lines[1]], cwd=tmp_path, check=True)
    done = extract_to_folder(
        tmp_path / "cohort.csv", tmp_path / "out", "pyradiomics-default", ExecutionConfig(workers=1)
    )
    assert done.table is not None
    assert done.table.ids == ["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1", "sub-02_ses-2"]
    assert list(done.table.covariates["site"]) == ["007", "007", "NA", "NA"]
    table = pd.read_csv(tmp_path / "out" / "features.csv", dtype=str, keep_default_na=False)
    assert len(table) == 4
