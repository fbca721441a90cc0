"""What features.json says of each column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.storage.feature_tables import read_feature_table, write_feature_table

NAMES = ("t1_original_shape_MeshVolume", "gradient_firstorder_Kurtosis", "lh_bankssts_thickness")


def written(folder: Path) -> list[dict[str, Any]]:
    index = pd.Index(["a", "b"], name="id", dtype=object)
    features = pd.DataFrame(np.ones((2, 3)), index=index, columns=list(NAMES))
    covariates = pd.DataFrame({"site": ["x", "y"]}, index=index, dtype=object)
    write_feature_table(FeatureTable(features, covariates), folder / "features.csv")
    return json.loads((folder / "features.json").read_text())["columns"]


def test_features_bear_unit_family_filter_and_code(tmp_path: Path) -> None:
    assert written(tmp_path) == [
        {"name": "id", "role": "id"},
        {"name": "site", "role": "covariate"},
        {
            "name": NAMES[0], "role": "feature", "unit": "mm^3", "family": "shape",
            "filter": "original", "ibsi": "RNU0",
        },
        {
            "name": NAMES[1], "role": "feature", "unit": "1", "family": "firstorder",
            "filter": "gradient",
        },
        {"name": NAMES[2], "role": "feature"},
    ]  # fmt: skip


def test_a_sidecar_without_units_is_read_as_before(tmp_path: Path) -> None:
    columns = written(tmp_path)
    path = tmp_path / "features.json"
    document = json.loads(path.read_text())
    for column in columns:
        for name in ("unit", "family", "filter", "ibsi"):
            column.pop(name, None)
    path.write_text(json.dumps({**document, "columns": columns}))
    assert read_feature_table(tmp_path / "features.csv").names == list(NAMES)
