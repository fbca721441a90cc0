"""Laws of the change to another spacing."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from harmonize_kit.config.resampling import ResamplingConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.resampling import resample, resample_volume
from harmonize_kit.preprocess.resampling_grid import new_grid
from harmonize_kit.preprocess.resampling_labels import label_volumes_ml, resample_labels
from harmonize_kit.preprocess.scans import Scans

COS, SIN = np.cos(0.3), np.sin(0.3)
OBLIQUE = (COS, -SIN, 0.0, SIN, COS, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry((24, 20, 14), (1.0, 1.2, 2.5), (-30.0, 12.5, 7.0), OBLIQUE)


def positions(grid: Geometry) -> NDArray[np.float64]:
    """Positions of all voxel centres in mm, shape (z, y, x, 3)."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in grid.size[::-1]), indexing="ij")
    steps = np.stack([x, y, z], axis=-1) * np.array(grid.spacing)
    return steps @ np.array(grid.direction).reshape(3, 3).T + np.array(grid.origin)


def centre(grid: Geometry) -> NDArray[np.float64]:
    half = (np.array(grid.size) - 1) / 2 * np.array(grid.spacing)
    return np.array(grid.origin) + np.array(grid.direction).reshape(3, 3) @ half


def ball(grid: Geometry, radius: float) -> NDArray[np.uint8]:
    distance = np.linalg.norm(positions(grid) - centre(grid), axis=-1)
    return (distance <= radius).astype(np.uint8)


spacings = st.floats(0.4, 6.0)
sizes = st.integers(1, 40)


@given(
    size=st.tuples(sizes, sizes, sizes),
    old=st.tuples(spacings, spacings, spacings),
    new=st.tuples(spacings, spacings, spacings),
)
def test_the_grid_keeps_centre_and_covers_the_same_part_of_the_patient(
    size: tuple[int, int, int], old: tuple[float, float, float], new: tuple[float, float, float]
) -> None:
    before = Geometry(size, old, (5.0, -3.0, 2.0), OBLIQUE)
    found = new_grid(before, new)
    assume(found is not None)
    assert found is not None
    after = found.geometry
    np.testing.assert_allclose(centre(after), centre(before), atol=1e-9)
    assert after.direction == before.direction
    extent = np.multiply(before.size, old)
    grown = np.multiply(after.size, after.spacing) - extent
    assert np.all(grown > -1e-4 * extent)
    assert np.all(grown < after.spacing)
    for axis in range(3):
        places = found.places(axis)
        assert places.min() > -0.5 - 1e-3
        assert places.max() < size[2 - axis] - 0.5 + 1e-3


def test_a_spacing_that_is_there_changes_nothing() -> None:
    volume = Volume(np.arange(24 * 20 * 14, dtype=np.int16).reshape(14, 20, 24), GRID)
    labels = Volume(ball(GRID, 6.0), GRID)
    for spacing in ((1.0, 1.2, 2.5), (0.0, 0.0, 2.5), (1.0000001, 0.0, 0.0)):
        staged = resample(Scans({"t1": volume}, labels, "t1"), ResamplingConfig(spacing=spacing))
        assert staged.scans.images["t1"] is volume
        assert staged.scans.labels is labels
        assert staged.decided["t1"] == {"changed": False}


@pytest.mark.parametrize("interpolator", ["linear", "bspline"])
@pytest.mark.parametrize("spacing", [0.7, (0.0, 2.6, 1.9)])
def test_a_ramp_in_space_stays_that_ramp(
    interpolator: Literal["linear", "bspline"], spacing: float | tuple[float, float, float]
) -> None:
    slope, grid = np.array([0.3, -0.2, 0.5]), replace(GRID, size=(40, 36, 30))
    volume = Volume(positions(grid) @ slope, grid)
    config = ResamplingConfig(spacing=spacing, interpolator=interpolator)
    moved, decided = resample_volume(volume, config)
    assert moved.array.dtype == np.float64
    truth = positions(moved.geometry) @ slope
    cosines = np.array(grid.direction).reshape(3, 3)
    along = (positions(moved.geometry) - centre(grid)) @ cosines
    # A spline feels the edge a few voxels away.
    inner = np.all(np.abs(along) < (np.array(grid.size) / 2 - 9) * np.array(grid.spacing), axis=-1)
    assert inner.sum() > 100
    np.testing.assert_allclose(moved.array[inner], truth[inner], rtol=0, atol=1e-4)
    assert decided["size"] == list(moved.geometry.size)


def test_a_constant_stays_that_constant_and_integers_become_float32() -> None:
    volume = Volume(np.full((14, 20, 24), 7, dtype=np.int16), GRID)
    for spacing in (0.8, 3.3):
        moved, _ = resample_volume(volume, ResamplingConfig(spacing=spacing))
        assert moved.array.dtype == np.float32
        np.testing.assert_array_equal(moved.array, np.float32(7))
    assert volume.array.dtype == np.int16


def test_nothing_leaves_the_range_it_had() -> None:
    rng = np.random.default_rng(0)
    volume = Volume((rng.random((14, 20, 24)) > 0.5).astype(np.float32), GRID)
    moved, _ = resample_volume(volume, ResamplingConfig(spacing=0.6))
    assert moved.array.min() >= 0
    assert moved.array.max() <= 1


@pytest.mark.parametrize("spacing", [0.9, 1.7])
def test_the_background_stays_exactly_zero_and_the_rim_as_bright(spacing: float) -> None:
    mask = ball(GRID, 9.0)
    volume = Volume(np.where(mask != 0, 50.0, 0.0).astype(np.float32), GRID, mask)
    moved, decided = resample_volume(volume, ResamplingConfig(spacing=spacing))
    assert decided["background_zero"]
    assert moved.mask is not None
    np.testing.assert_array_equal(moved.array, np.where(moved.mask != 0, np.float32(50), 0))


def test_a_mask_on_a_background_that_is_not_zero_hides_nothing() -> None:
    volume = Volume(np.full((14, 20, 24), 5.0), GRID, ball(GRID, 6.0))
    moved, decided = resample_volume(volume, ResamplingConfig(spacing=0.9))
    assert not decided["background_zero"]
    np.testing.assert_array_equal(moved.array, 5.0)


@pytest.mark.parametrize("rule", ["nearest", "majority"])
@pytest.mark.parametrize("spacing", [0.7, 1.0, 2.0])
def test_labels_keep_their_volume_and_their_values(
    rule: Literal["nearest", "majority"], spacing: float
) -> None:
    grid = Geometry((48, 48, 48), (1.0, 1.0, 1.0), (0.1, 0.2, -0.3))
    labels = Volume(ball(grid, 20.0).astype(np.int32) * 4, grid)
    labels.array[20:28, 20:28, 20:28] = 9
    moved = resample_labels(labels, (spacing, spacing, spacing), rule)
    assert moved.array.dtype == np.int32
    before, after = label_volumes_ml(labels), label_volumes_ml(moved)
    assert set(after) == {4, 9}
    assert after[4] == pytest.approx(before[4], rel=0.02)


def test_majority_does_not_move_labels_when_the_spacing_doubles() -> None:
    grid = Geometry((40, 40, 40))
    labels = Volume(ball(grid, 12.3), grid)

    def shift(rule: Literal["nearest", "majority"]) -> float:
        moved = resample_labels(labels, (2.0, 2.0, 2.0), rule)
        where = positions(moved.geometry)[moved.array != 0].mean(axis=0)
        return float(np.abs(where - positions(grid)[labels.array != 0].mean(axis=0)).max())

    assert shift("majority") < 0.05
    assert shift("nearest") == pytest.approx(0.5, abs=0.1)


def test_what_becomes_of_labels_is_said() -> None:
    array = ball(GRID, 6.0)
    array[0, 0, 0] = 3
    scans = Scans({"": Volume(array.astype(np.float32), GRID)}, Volume(array, GRID))
    staged = resample(scans, ResamplingConfig(spacing=3.7))
    assert staged.scans.labels is not None
    assert staged.scans.labels.geometry == staged.scans.images[""].geometry
    assert any("label 3" in note for note in staged.notes)
    assert set(staged.decided["labels_ml"]) == {"1", "3"}


def test_smoothing_removes_what_the_new_voxels_cannot_show() -> None:
    noise = np.random.default_rng(0).normal(size=(30, 30, 30))
    volume = Volume(noise, Geometry((30, 30, 30)))

    def spread(antialias: bool, spacing: float) -> float:
        config = ResamplingConfig(spacing=spacing, antialias=antialias, interpolator="linear")
        return float(resample_volume(volume, config)[0].array.std())

    # Averages over 27 voxels would have a spread of 0.19.
    assert spread(True, 3.0) < 0.35
    assert spread(False, 3.0) > 0.9
    assert spread(True, 1.4) == spread(False, 1.4)


def test_a_point_is_spread_as_the_new_voxels_see_it() -> None:
    array = np.zeros((1, 1, 61))
    array[0, 0, 30] = 1.0
    volume = Volume(array, Geometry((61, 1, 1)))
    moved, decided = resample_volume(volume, ResamplingConfig(spacing=(3.0, 0.0, 0.0)))
    assert decided["smoothed_sd_mm"] == pytest.approx([np.sqrt(8) / 2.35482, 0, 0], rel=1e-4)
    assert moved.array.sum() * 3 == pytest.approx(1.0, rel=0.1)


def test_what_is_not_finite_or_too_large_is_refused() -> None:
    volume = Volume(np.full((14, 20, 24), np.nan), GRID)
    with pytest.raises(PreprocessingError, match="t2: expected finite"):
        resample(Scans({"t2": volume}), ResamplingConfig(spacing=2.0))
    whole = replace(volume, array=np.zeros((14, 20, 24)))
    with pytest.raises(PreprocessingError, match="wider"):
        resample_volume(whole, ResamplingConfig(spacing=0.001))


@pytest.mark.parametrize("spacing", [0.0, (0.0, 0.0, 0.0), -1.0, float("inf"), (1.0, 2.0)])
def test_a_spacing_must_say_something(spacing: object) -> None:
    with pytest.raises(ValidationError):
        ResamplingConfig.model_validate({"spacing": spacing})
