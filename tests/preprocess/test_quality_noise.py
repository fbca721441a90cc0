"""Noise measures: their formulas by other code, and MRIQC's own figures on 1101 scans."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harmonize_kit.preprocess.quality.contrast import contrast_metrics
from harmonize_kit.preprocess.quality.noise import cjv, cnr, snr, snr_dietrich, summary, wm2max

PARTS = ("bg", "csf", "gm", "wm")
KEYS = ("mean", "median", "p95", "p05", "k", "stdv", "mad", "n")


def test_formulas_on_numbers_worked_by_hand() -> None:
    assert snr(100.0, 10.0, 5) == pytest.approx(100.0 / (10.0 * math.sqrt(1.25)))
    assert snr_dietrich(1000.0, 10.0, 99.0) == pytest.approx(0.6551364 * 100.0, rel=1e-6)
    assert snr_dietrich(1000.0, 0.5, 20.0) == pytest.approx(0.6551364 * 50.0, rel=1e-6)
    assert cnr(1000.0, 700.0, 20.0, 40.0, 80.0) == pytest.approx(300.0 / math.sqrt(8400.0))
    assert cjv(1000.0, 700.0, 40.0, 80.0) == pytest.approx(0.4)
    assert cjv(700.0, 1000.0, 40.0, 80.0) == pytest.approx(0.4)
    assert wm2max(np.arange(100001.0), 50000.0) == pytest.approx(50000.0 / 99950.0)


def test_what_has_no_meaning_is_missing_rather_than_infinite() -> None:
    assert snr(100.0, 0.0, 50) is None
    assert snr(100.0, 10.0, 1) is None
    assert snr_dietrich(1000.0, 0.0, 0.0) is None
    assert cnr(1000.0, 700.0, 0.0, 0.0, 0.0) is None
    assert cjv(1000.0, 1000.0, 40.0, 80.0) is None
    assert wm2max(np.zeros(10), 0.0) is None


def test_summary_against_scipy() -> None:
    values = np.random.default_rng(3).gamma(2.0, 100.0, 5000)
    found = summary(values)
    assert found["k"] == pytest.approx(float(stats.kurtosis(values)))
    assert found["mad"] == pytest.approx(
        float(stats.median_abs_deviation(values, scale="normal")), rel=1e-9
    )
    assert found["stdv"] == pytest.approx(float(np.std(values)))
    assert (found["p05"], found["p95"]) == tuple(np.quantile(values, (0.05, 0.95)))
    assert summary(np.full(9, 4.0))["k"] == 0.0


def test_dietrich_snr_of_rayleigh_air_is_the_true_one() -> None:
    rng = np.random.default_rng(0)
    real, imaginary = rng.normal(0.0, 25.0, (2, 400_000))
    air = np.hypot(real, imaginary)
    # The SD of the magnitude, put right by the factor, is the SD of one channel.
    assert snr_dietrich(1000.0, 0.0, float(air.std())) == pytest.approx(1000.0 / 25.0, rel=0.01)


def test_without_air_only_what_needs_none() -> None:
    tissue = dict(zip(KEYS, (1.0,) * 8, strict=True))
    tissues = {
        "csf": {**tissue, "median": 300.0, "stdv": 100.0, "n": 50.0},
        "gm": {**tissue, "median": 700.0, "stdv": 70.0, "mad": 60.0, "n": 50.0},
        "wm": {**tissue, "median": 1000.0, "stdv": 50.0, "mad": 40.0, "n": 50.0},
    }
    found = contrast_metrics(tissues, None)
    assert found["cnr"] is None
    assert found["snrd_total"] is None
    assert found["cjv"] == pytest.approx(1.0 / 3.0)
    assert found["snr_total"] == pytest.approx((3.0 + 10.0 + 20.0) / 3.0 * math.sqrt(49 / 50))


def test_mriqc_figures_of_abide(real_data: Path) -> None:
    """From MRIQC's summaries of each scan follow MRIQC's own ratios."""
    table = pd.read_csv(real_data / "tables" / "mriqc_iqm_abide.tsv.gz", sep="\t", na_values="n/a")
    names = ["cjv", "cnr", *(f"{k}_{t}" for k in ("snr", "snrd") for t in (*PARTS[1:], "total"))]
    compared = 0
    for row in table.to_dict("records"):
        parts = {part: {key: row[f"summary_{part}_{key}"] for key in KEYS} for part in PARTS}
        found = contrast_metrics({part: parts[part] for part in PARTS[1:]}, parts["bg"])
        for name in names:
            value = found[name]
            if value is None:  # the background was wiped, which MRIQC marks as -1
                continue
            assert value == pytest.approx(row[name], rel=2e-4), (row["subject_id"], name)
            compared += 1
    assert compared > 0.99 * len(names) * len(table)
