"""The table of a cohort, and which of its images stand out from their site."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.preprocess.quality import flag_outliers, quality_table


def _record(efc: float, *modalities: str, **more: float | None) -> dict[str, Any]:
    metrics = {modality: {"efc": efc, "cjv": 0.4, **more} for modality in modalities}
    flag = {"modality": modalities[-1], "metric": "efc"}
    return {"metrics": metrics, "flags": [flag] if efc > 0.9 else []}


def test_one_row_an_image_and_empty_cells_for_what_is_missing() -> None:
    table = quality_table(
        {"007": _record(0.5, "t1", "t2"), "a": _record(0.95, "t1", qi_1=None, fber=3.0)}
    )
    assert list(table.columns) == ["id", "modality", "flags", "efc", "cjv", "qi_1", "fber"]
    assert list(zip(table["id"], table["modality"], table["flags"], strict=True)) == [
        ("007", "t1", ""), ("007", "t2", ""), ("a", "t1", "efc"),
    ]  # fmt: skip
    text = table.to_csv(index=False)
    assert text.splitlines()[3] == "a,t1,efc,0.95,0.4,,3.0"
    back = pd.read_csv(io.StringIO(text), dtype={"id": str})
    assert np.isnan(back["qi_1"]).all()
    assert quality_table({}).empty


def _cohort(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    sites = np.repeat(["A", "B"], n // 2)
    return pd.DataFrame(
        {
            "id": [f"{i:03d}" for i in range(n)], "modality": "t1", "site": sites,
            "snr_total": rng.normal(np.where(sites == "A", 10.0, 20.0), 0.5),
            "cjv": rng.normal(0.4, 0.01, n),
        }
    )  # fmt: skip


def test_images_stand_out_from_their_own_site_only_and_only_when_worse() -> None:
    table = _cohort()
    assert flag_outliers(table, "site") == []
    table.loc[25, "snr_total"] = 10.0  # good at site A, poor at site B
    table.loc[3, "cjv"] = 0.9
    table.loc[4, "cjv"] = 0.1  # better than all others
    found = flag_outliers(table, "site")
    assert [(f["id"], f["site"], f["metric"]) for f in found] == [
        ("003", "A", "cjv"), ("025", "B", "snr_total"),
    ]  # fmt: skip
    assert found[1]["value"] == 10.0 < found[1]["threshold"] < 20.0
    assert "far below" in found[1]["sentence"]
    assert "site B" in found[1]["sentence"]
    assert [f["metric"] for f in flag_outliers(table)] == ["cjv"]


def test_fences_by_hand_and_few_or_equal_values_have_none() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 40.0]
    table = pd.DataFrame({"id": list("abcdefghij"), "modality": "t1", "efc": values})
    (flag,) = flag_outliers(table, fence=1.5)
    low, high = np.percentile(values, (25, 75))
    assert flag["threshold"] == pytest.approx(high + 1.5 * (high - low))
    assert (flag["id"], flag["site"]) == ("j", None)
    assert flag_outliers(table, fence=1.5, least=11) == []
    assert flag_outliers(table.assign(efc=[0.5] * 9 + [0.9])) == []
    missing = table.assign(efc=[*values[:-1], np.nan])
    assert flag_outliers(missing, fence=1.5) == []
