"""The stage as a whole: clean heads raise no flag, each planted fault raises its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from harmonize_kit.config.phantom import HeadPhantomConfig
from harmonize_kit.config.quality import Limit, QualityConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.phantom import simulate_head
from harmonize_kit.preprocess.quality import assess_quality
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.storage.images import read_image

CHEAP = QualityConfig(nonuniformity=False)
Fault = Callable[[np.ndarray], np.ndarray]


@lru_cache(maxsize=4)
def _phantom(index: int = 0, spacing: float = 3.5) -> Volume:
    """A brain in noisy air, with its mask."""
    head = simulate_head(HeadPhantomConfig(spacing=spacing), 0, index)
    brain = sum(head.head.fractions[name] for name in ("csf", "grey", "white")) > 0.5
    return Volume(head.volume.array, head.volume.geometry, np.asarray(brain, dtype=np.uint8))


def _assess(volume: Volume, config: QualityConfig = CHEAP) -> tuple[dict[str, Any], list[str]]:
    decided = assess_quality(Scans({"t1": volume}), config).decided
    return decided["metrics"]["t1"], [flag["metric"] for flag in decided["flags"]]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_clean_heads_of_several_scanners_raise_no_flag(index: int) -> None:
    metrics, flags = _assess(_phantom(index))
    assert flags == []
    assert metrics["fwhm_x"] is not None
    assert metrics["snr_total"] > 5.0
    assert 0.05 < metrics["icvs_csf"] < metrics["icvs_wm"] < metrics["icvs_gm"] < 0.6


def test_stage_leaves_the_scans_alone_and_speaks_json() -> None:
    volume = _phantom()
    before = volume.array.copy()
    scans = Scans({"t1": volume, "unheard-of": replace(volume, mask=None)})
    staged = assess_quality(scans, CHEAP)
    assert staged.scans is scans
    assert np.array_equal(volume.array, before)
    assert json.loads(json.dumps(dict(staged.decided), allow_nan=False)) == staged.decided
    assert "cjv" not in staged.decided["metrics"]["unheard-of"]
    assert any("unheard-of" in note and "contrasts" in note for note in staged.notes)
    known = QualityConfig(nonuniformity=False, contrasts={"Unheard-Of": "t1"})
    again = assess_quality(Scans({"unheard-of": volume}), known)
    assert again.decided["metrics"]["unheard-of"] == staged.decided["metrics"]["t1"]


def test_without_a_mask_the_brain_is_found() -> None:
    volume = replace(_phantom(2), mask=None)
    staged = assess_quality(Scans({"": volume}), QualityConfig())
    metrics = staged.decided["metrics"][""]
    assert staged.decided["flags"] == []
    assert 1000.0 < metrics["brain_ml"] < 2000.0
    assert 0.05 < metrics["inu_range"] < 0.4
    assert metrics["inu_med"] == pytest.approx(1.0, abs=0.05)
    assert staged.notes == (
        "quality: measured in a rough mask of the brain, since the image has none",
    )


def _ghost(image: np.ndarray) -> np.ndarray:
    return image + 0.1 * np.roll(image, image.shape[1] // 2, axis=1)


def _edit(place: Any, change: Callable[[np.ndarray], Any]) -> Fault:
    def fault(image: np.ndarray) -> np.ndarray:
        image[place] = change(image)
        return image

    return fault


FAULTS: dict[str, Fault] = {
    "gsr_y": _ghost,
    "duplicated_slices": _edit(20, lambda image: image[19]),
    "missing_slices": _edit((slice(None), 25), lambda image: 0.0),
    "slice_jump": _edit(22, lambda image: 0.5 * image[22]),
    "odd_even": _edit(slice(None, None, 2), lambda image: 0.9 * image[::2]),
    "saturated": lambda image: np.minimum(image, np.percentile(image, 97.0)),
    "nonfinite": _edit((3, 3, 3), lambda image: np.nan),
    "constant": np.zeros_like,
    "wrapped": lambda image: (image * (45000.0 / image.max())).astype(np.int64).astype(np.int16),
    "snrd_total": lambda image: _noisy(image, 1.0),
}


@pytest.mark.parametrize("metric", FAULTS)
def test_each_planted_fault_is_flagged(metric: str) -> None:
    volume = _phantom()
    spoilt = volume.with_array(FAULTS[metric](volume.array.astype(np.float64)))
    staged = assess_quality(Scans({"t1": spoilt}), CHEAP)
    flags = {flag["metric"]: flag for flag in staged.decided["flags"]}
    assert metric in flags
    assert flags[metric]["sentence"].startswith(f"t1: {metric} ")
    assert json.dumps(dict(staged.decided), allow_nan=False)


def test_a_head_cut_at_its_top_is_flagged() -> None:
    volume = _phantom()
    assert volume.mask is not None
    last = int(np.flatnonzero(volume.mask.any(axis=(1, 2)))[-1]) - 7
    x, y, _ = volume.geometry.size
    geometry = replace(volume.geometry, size=(x, y, last))
    cropped = Volume(volume.array[:last], geometry, volume.mask[:last])
    assert set(_assess(cropped)[1]) >= {"cut_top", "cut_brain"}


def _noisy(image: np.ndarray, share: float) -> np.ndarray:
    noise = share * np.percentile(image, 98.0)
    real, imaginary = np.random.default_rng(0).normal(0.0, noise, (2, *image.shape))
    return np.hypot(image + real, imaginary)


def test_noise_lowers_signal_ratios_and_raises_joint_variation() -> None:
    volume = _phantom(2)
    found = [
        _assess(volume.with_array(_noisy(volume.as_float(), share)))[0]
        for share in (0.0, 0.04, 0.1)
    ]
    for name, sign in (
        ("snr_total", -1), ("snr_wm", -1), ("snrd_total", -1), ("cnr", -1), ("fber", -1),
        ("cjv", 1), ("efc", 1),
    ):  # fmt: skip
        values = [sign * metrics[name] for metrics in found]
        assert values[0] < values[1] < values[2], name


def test_blur_widens_and_units_do_not_matter() -> None:
    volume = _phantom(1)
    metrics = _assess(volume)[0]
    blurred = _assess(volume.with_array(ndimage.gaussian_filter(volume.array, 0.8)))[0]
    scaled = _assess(volume.with_array(volume.as_float() * 37.5))[0]
    for axis in ("x", "y", "z", "avg"):
        assert blurred[f"fwhm_{axis}"] > 1.1 * metrics[f"fwhm_{axis}"]
    assert scaled.keys() == metrics.keys()
    for name, value in metrics.items():
        assert scaled[name] == (None if value is None else pytest.approx(value, rel=1e-3)), name


def test_a_stripped_image_has_no_air_to_measure() -> None:
    volume = _phantom()
    assert volume.mask is not None
    stripped = volume.with_array(np.where(volume.mask != 0, volume.array, 0.0))
    metrics, flags = _assess(stripped)
    assert flags == []
    assert metrics["fber"] is metrics["qi_1"] is metrics["snrd_total"] is metrics["cnr"] is None
    assert metrics["cjv"] == pytest.approx(_assess(volume)[0]["cjv"])


def test_limits_by_configuration() -> None:
    volume = _phantom()
    strict = CHEAP.model_copy(update={"limits": {"snr_total": Limit(below=50.0)}})
    assert _assess(volume, strict)[1] == ["snr_total"]
    ghost = volume.with_array(_ghost(volume.as_float()))
    assert "gsr_y" not in _assess(ghost, CHEAP.model_copy(update={"limits": {"gsr_y": Limit()}}))[1]
    body = QualityConfig(brain=False)
    metrics, flags = _assess(ghost, body)
    assert flags == []
    assert "cjv" not in metrics
    with pytest.raises(ValueError, match="snr_totl"):
        QualityConfig(limits={"snr_totl": Limit(below=3.0)})
    with pytest.raises(ValueError, match="low below high"):
        QualityConfig(brain_ml=(2000.0, 700.0))


def test_a_healthy_head_raises_no_flag(real_data: Path) -> None:
    """Plausible beside ABIDE's 1st to 99th percentiles, where spacing does not matter."""
    path = real_data / "images" / "ixi_hh_t1_2mm" / "IXI445-HH-2269_T1.nii.gz"
    metrics, flags = _assess(read_image(path), QualityConfig())
    assert flags == []
    for metric, low, high in (
        ("snr_total", 6.8, 13.8), ("snrd_wm", 3.4, 138.0), ("efc", 0.57, 0.89),
        ("wm2max", 0.36, 0.76), ("icvs_gm", 0.35, 0.53), ("icvs_wm", 0.31, 0.50),
        ("inu_range", 0.16, 0.71),
    ):  # fmt: skip
        assert low < metrics[metric] < high, metric
