"""preprocess on DICOM series: converted, known by their scanner, and by nobody's name."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
from dicom import GRID, write_series
from marked_dicom import write_marked_series

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.flows.preprocess import preprocess_to_folder
from harmonize_kit.flows.preprocess_plan import Options
from harmonize_kit.storage.grid_order import in_order_of
from harmonize_kit.storage.images import read_image

SERIAL = ExecutionConfig(workers=1)
CONFIG: dict[str, Any] = {
    "stages": ["convert", "normalize"],
    "normalize": {"default": {"method": "z-score", "foreground": "whole"}},
}


def array(slices: int = 3) -> Any:
    size = (slices, *GRID.size[1::-1])
    return np.random.default_rng(1).integers(0, 900, size).astype(np.uint16)


def test_nothing_that_names_the_patient_is_in_any_output(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    marks = write_marked_series(tmp_path / "in" / "ZQDOEJANE" / "series", array())
    broken = tmp_path / "in" / "ZQDOEJOHN"
    write_series(broken, array(6))
    (tmp_path / "in" / "cohort.csv").write_text(
        "id,Image,site\na,ZQDOEJANE/series,N\nb,ZQDOEJOHN,N\n"
    )
    next(path for path in sorted(broken.iterdir()) if "3.dcm" in path.name).unlink()
    out = tmp_path / "out"
    made = preprocess_to_folder(tmp_path / "in" / "cohort.csv", out, CONFIG, SERIAL)
    assert made.failures[["id", "stage", "code"]].to_numpy().tolist() == [["b", "read", "GEOMETRY"]]
    said = capfd.readouterr()
    texts = [caplog.text, said.out, said.err, repr(made)]
    written = [path for path in out.rglob("*") if path.is_file()]
    assert len(written) > 10
    for content in [*(path.read_bytes() for path in written), *(text.encode() for text in texts)]:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        found = [mark for mark in (*marks, "ZQDOE") if mark.encode() in plain]
        assert not found
    assert not [path for path in written if "ZQ" in str(path.relative_to(out))]


def test_a_converted_series_brings_its_scanner_and_lies_where_it_lay(tmp_path: Path) -> None:
    write_marked_series(tmp_path / "in" / "series", array())
    out = tmp_path / "out"
    options = Options(sheets=False)
    config = CONFIG | {"stages": ["convert"]}
    made = preprocess_to_folder(tmp_path / "in", out, config, SERIAL, options)
    assert made.table is not None
    row = made.table.iloc[0]
    assert (row["manufacturer"], row["model"]) == ("Siemens", "Skyra")
    image = read_image(out / row["Image"])
    truth = read_image(tmp_path / "in" / "series")
    ordered = in_order_of(image, truth.geometry)
    assert truth.geometry.difference(ordered.geometry, 1e-4) is None
    np.testing.assert_array_equal(ordered.array, truth.array)
    sidecar = json.loads((out / row["Image"].replace(".nii.gz", ".json")).read_text())
    assert sidecar["Manufacturer"] == "Siemens"
    assert preprocess_to_folder(tmp_path / "in", out, config, SERIAL, options).count("kept") == 1
    manifest = pd.read_csv(out / "manifest.csv", dtype=str)
    assert manifest["input"].tolist() == ["DICOM series"]
    assert nibabel.load(out / row["Image"]).header["descrip"].tobytes().strip(b"\0") == b""
