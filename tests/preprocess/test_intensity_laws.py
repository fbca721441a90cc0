"""Laws of the methods, whatever the intensities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harmonize_kit.config.intensity import IntensityConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.preprocess.intensity import normalize_intensity
from harmonize_kit.preprocess.intensity_curve import piecewise_linear
from harmonize_kit.preprocess.intensity_fit import fit_intensities, summarize
from harmonize_kit.preprocess.scans import Scans

SEEDS = st.integers(0, 100_000)
GAINS = st.floats(0.01, 100)


def draw(seed: int, levels: int | None = None) -> Volume:
    """Three tissues of random shares and means with a few outliers, in a mask."""
    rng = np.random.default_rng(seed)
    means = 200 + np.cumsum(rng.uniform(200, 500, 3))
    which = rng.choice(3, (12, 12, 12), p=rng.dirichlet((8, 20, 20)))
    array = means[which] + rng.normal(0, 50, which.shape)
    array[rng.random(array.shape) < 0.003] *= 4
    if levels is not None:
        array = np.rint(array / np.ptp(array) * levels)
    mask = (rng.random(array.shape) < 0.8).astype(np.uint8)
    return Volume(array, Geometry((12, 12, 12)), mask)


def affine(volume: Volume, gain: float, shift: float) -> Volume:
    return volume.with_array(volume.array * gain + shift)


def inside(volume: Volume) -> NDArray[np.float64]:
    assert volume.mask is not None
    return volume.array[volume.mask > 0].astype(np.float64)


def normalized(volume: Volume, method: Any, training: list[Volume] | None = None) -> Volume:
    config = IntensityConfig.model_validate({"default": method})
    fitted = None
    if training is not None:
        fitted = fit_intensities({"t1": [summarize(v, config, "t1") for v in training]}, config)
    staged = normalize_intensity(Scans({"t1": volume}), config, fitted)
    return staged.scans.images["t1"]


@settings(max_examples=10)
@given(seed=SEEDS, gain=GAINS, shift=st.floats(-1000, 1000))
@pytest.mark.parametrize("method", ["z-score", "percentile", "white-stripe"])
def test_gain_and_offset_of_the_scanner_vanish(
    method: str, seed: int, gain: float, shift: float
) -> None:
    volume = draw(seed)
    other = affine(volume, gain, shift)
    expected, got = (inside(normalized(v, method)) for v in (volume, other))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=10)
@given(seed=SEEDS, gain=GAINS)
@pytest.mark.parametrize("method", ["kde-peak", "fuzzy-c-means"])
def test_gain_of_the_scanner_vanishes(method: str, seed: int, gain: float) -> None:
    volume = draw(seed)
    expected, got = (inside(normalized(v, method)) for v in (volume, affine(volume, gain, 0)))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@settings(max_examples=10)
@given(seed=SEEDS, gain=GAINS, shift=st.floats(-1000, 1000))
def test_nyul_does_not_see_gain_and_offset_of_any_case(
    seed: int, gain: float, shift: float
) -> None:
    training = [draw(seed + 1), draw(seed + 2), draw(seed + 3)]
    other = [affine(training[0], gain, shift), training[1], affine(training[2], 1 / gain, 5)]
    volume = draw(seed)
    expected = inside(normalized(volume, "nyul", training))
    got = inside(normalized(affine(volume, gain, shift), "nyul", other))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=15)
@given(seed=SEEDS, levels=st.sampled_from([None, 20, 60, 1000]))
@pytest.mark.parametrize("method", ["nyul", "histogram-matching"])
def test_no_two_intensities_change_places(method: str, seed: int, levels: int | None) -> None:
    """Also for images of few levels, whose landmarks coincide."""
    volume = draw(seed, levels)
    training = [draw(seed + 1), draw(seed + 2, levels), volume]
    before, after = inside(volume), inside(normalized(volume, method, training))
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= 0).all()
    same = np.diff(before[order]) == 0
    assert (np.diff(after[order])[same] == 0).all()


def shares_below(values: NDArray[np.float64], landmarks: NDArray[np.float64]) -> Any:
    return np.searchsorted(np.sort(values), landmarks) / len(values)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_landmarks_fall_on_the_standard_scale(seed: int) -> None:
    """What Nyul's method is for: every image has the same landmarks afterwards."""
    training = [draw(seed + i) for i in range(1, 4)]
    at = np.array((1, *range(10, 100, 10), 99))
    own = np.array([np.percentile(inside(v), at) for v in training])
    scaled = 1 + 99 * (own - own[:, :1]) / (own[:, -1:] - own[:, :1])
    values = inside(normalized(draw(seed), "nyul", training))
    np.testing.assert_allclose(shares_below(values, scaled.mean(axis=0)), at / 100, atol=2e-3)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_a_matched_histogram_is_the_mean_histogram(seed: int) -> None:
    training = [draw(seed + i) for i in range(1, 4)]
    at = np.linspace(0, 100, 257)
    mean = np.mean([np.percentile(inside(v), at) for v in training], axis=0)
    values = inside(normalized(draw(seed), "histogram-matching", training))
    np.testing.assert_allclose(shares_below(values, mean), at / 100, atol=2e-3)


@settings(max_examples=15)
@given(seed=SEEDS)
def test_z_score_has_mean_zero_and_sd_one_and_is_idempotent(seed: int) -> None:
    once = normalized(draw(seed), "z-score")
    values = inside(once)
    assert abs(values.mean()) < 1e-6
    assert abs(values.std() - 1) < 1e-6
    np.testing.assert_allclose(inside(normalized(once, "z-score")), values, atol=1e-6)


@settings(max_examples=15)
@given(seed=SEEDS)
def test_the_standard_scale_maps_to_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    knots, values = np.sort(rng.normal(size=7)), rng.normal(0, 3, 200)
    np.testing.assert_allclose(piecewise_linear(values, knots, knots), values, atol=1e-9)
    there = piecewise_linear(values, knots, np.cumsum(rng.uniform(0.1, 2, 7)))
    assert (np.diff(there[np.argsort(values)]) > 0).all()


def test_the_curve_goes_on_beyond_its_landmarks() -> None:
    start, end = np.array([1.0, 2.0, 4.0]), np.array([0.0, 3.0, 5.0])
    got = piecewise_linear(np.array([0.0, 1.5, 3.0, 6.0]), start, end)
    np.testing.assert_allclose(got, [-3.0, 1.5, 4.0, 7.0])
    tied = piecewise_linear(
        np.array([1.0, 2.0]), np.array([1.0, 1.0, 2.0]), np.array([0.0, 2.0, 5.0])
    )
    np.testing.assert_allclose(tied, [1.0, 5.0])
