"""The IBSI digital phantom through the command line, and docs/ibsi.md held against it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ibsi import phantom, reference

from harmonize_kit.core.feature_dictionary import describe_feature
from harmonize_kit.storage.images import read_image, read_mask, write_image, write_mask
from harmonize_kit_cli import main as entry

DOCUMENT = Path(__file__).parents[2] / "docs" / "ibsi.md"
PARAMS = """
setting: {binWidth: 1}
featureClass:
  shape: [Elongation, Flatness, LeastAxisLength, MajorAxisLength, Maximum2DDiameterColumn,
          Maximum2DDiameterRow, Maximum2DDiameterSlice, Maximum3DDiameter, MeshVolume,
          MinorAxisLength, Sphericity, SurfaceArea, SurfaceVolumeRatio, VoxelVolume,
          Compactness1, Compactness2, SphericalDisproportion]
  firstorder:
  glcm:
  glrlm:
  glszm:
  gldm:
  ngtdm:
"""


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of the phantom, as a user gets them."""
    folder = tmp_path_factory.mktemp("ibsi")
    write_image(phantom(), folder / "phantom.nii.gz")
    write_mask(phantom(), folder / "mask.nii.gz")
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "cohort.csv").write_text("id,Image,Mask\nphantom,phantom.nii.gz,mask.nii.gz\n")
    arguments = [
        "extract",
        folder / "cohort.csv",
        "-o",
        folder / "out",
        "-p",
        folder / "params.yaml",
    ]
    assert entry._run([*map(str, arguments), "--workers", "1", "-q"]) == 0
    return folder / "out"


def compared(extracted: Path) -> pd.DataFrame:
    """Each feature with an IBSI counterpart: value, reference, tolerance and whether it matches."""
    row = pd.read_csv(extracted / "features.csv").to_dict("records")[0]
    table = reference()
    rows: list[dict[str, object]] = []
    for name, value in row.items():
        entry = describe_feature(str(name))
        if entry is None:
            continue
        nearest = re.match(r"([0-9A-Z]{4}) in IBSI", entry.ibsi_note)
        code = entry.ibsi_code or (nearest[1] if nearest else "")
        if code:
            expected, tolerance = table[code]
            matches = abs(float(value) - expected) <= tolerance
            rows.append({"name": name, "code": code, "value": value, "matches": matches})
    return pd.DataFrame(rows)


def test_102_of_105_features_match(extracted: Path) -> None:
    table = compared(extracted)
    assert len(table) == 105
    assert int(table["matches"].sum()) == 102
    assert sorted(table["name"][~table["matches"].astype(bool)]) == [
        "original_firstorder_Kurtosis",
        "original_shape_LeastAxisLength",
        "original_shape_MinorAxisLength",
    ]


def test_features_json_bears_the_codes(extracted: Path) -> None:
    columns = json.loads((extracted / "features.json").read_text())["columns"]
    coded = {column["name"]: column["ibsi"] for column in columns if "ibsi" in column}
    assert len(coded) == 101
    table = compared(extracted).set_index("name")["code"].to_dict()
    assert all(table[name] == code for name, code in coded.items())
    units = {column["name"]: column.get("unit") for column in columns}
    assert units["original_shape_MeshVolume"] == "mm^3"


def test_the_document_names_every_deviation_and_its_figures(extracted: Path) -> None:
    text = DOCUMENT.read_text()
    table = compared(extracted)
    assert "102 of 105" in text
    for row in table[~table["matches"].astype(bool)].to_dict("records"):
        line = next(part for part in text.splitlines() if f"`{row['name']}`" in part)
        assert row["code"] in line
        assert f"{row['value']:.4g}" in line


def test_the_phantom_is_the_published_one(real_data: Path) -> None:
    folder = real_data / "phantom" / "ibsi_1_digital_phantom"
    image = read_image(folder / "image" / "phantom.nii.gz")
    mask = read_mask(folder / "mask" / "mask.nii.gz")
    assert np.array_equal(image.array, phantom().array)
    assert np.array_equal(mask.array, phantom().mask)  # type: ignore[arg-type]
    assert image.geometry.spacing == phantom().geometry.spacing
