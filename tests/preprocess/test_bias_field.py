"""N4 takes a known bias field off a head, and touches nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.config.bias_field import BiasFieldConfig
from harmonize_kit.config.phantom import HeadPhantomConfig, ScannerConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.phantom.heads import simulate_head
from harmonize_kit.phantom.scanner import noise_free, scan, sensitivity
from harmonize_kit.preprocess.bias_field import (
    BiasCorrected,
    correct_bias_field,
    correct_volume,
)
from harmonize_kit.preprocess.bias_field_grid import coarse_grid
from harmonize_kit.preprocess.scans import Scans

FLAT = ScannerConfig(
    name="A", field="1.5T", tr_ms=25.0, te_ms=5.0, flip_deg=30.0, snr=40.0, gain_jitter=0.0
)
BIASED = FLAT.model_copy(update={"bias_slope": (0.25, -0.2, 0.1), "bias_centre": -0.3})
FEW = BiasFieldConfig(
    iterations=(20, 20, 20), spline_distance_mm=200.0, coarsest_mm=12.0, fewest_voxels=8
)


@dataclass(frozen=True)
class Known:
    """A head with and without a bias field, the field, and what N4 makes of it."""

    biased: Volume
    flat: Volume
    log_bias: NDArray[np.float32]
    found: BiasCorrected

    @property
    def inside(self) -> NDArray[np.bool_]:
        assert self.biased.mask is not None
        return self.biased.mask != 0


@pytest.fixture(scope="module")
def known() -> Known:
    head = simulate_head(
        HeadPhantomConfig(subjects=1, scanners=(FLAT,), reference="A", spacing=6.0), 0, 0
    ).head
    signal = noise_free(head, FLAT)
    mask = (signal > 0.3 * np.percentile(signal, 99)).astype(np.uint8)
    flat, biased = (
        replace(scan(head, scanner, np.random.default_rng(1)), mask=mask)
        for scanner in (FLAT, BIASED)
    )
    log_bias = np.log(sensitivity(head.geometry, BIASED))
    return Known(biased, flat, log_bias, correct_volume(biased, FEW))


def relative_error(volume: Volume, known: Known) -> float:
    values, truth = volume.as_float()[known.inside], known.flat.as_float()[known.inside]
    values *= np.median(truth / values)
    return float(np.abs(values - truth).mean() / truth.mean())


def test_a_known_field_is_found_and_taken_off(known: Known) -> None:
    before, after = relative_error(known.biased, known), relative_error(known.found.volume, known)
    assert before > 0.08
    assert after < 0.5 * before
    found = np.log(known.found.field.array)
    assert np.corrcoef(found[known.inside], known.log_bias[known.inside])[0, 1] > 0.93


def test_the_image_is_the_corrected_one_times_a_field_of_mean_one(known: Known) -> None:
    corrected, field = known.found.volume, known.found.field
    np.testing.assert_allclose(corrected.array * field.array, known.biased.array, rtol=1e-6)
    assert abs(np.log(field.as_float()[known.inside]).mean()) < 1e-6
    assert corrected.geometry == known.biased.geometry
    assert corrected.mask is known.biased.mask
    assert corrected.array.dtype == np.float32


def test_outside_of_the_mask_the_field_stays_in_the_range_it_has_inside(known: Known) -> None:
    field = known.found.field.array
    assert field.min() == field[known.inside].min()
    assert field.max() == field[known.inside].max()


def test_the_number_of_threads_changes_no_bit(known: Known) -> None:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(3)
    try:
        again = correct_volume(known.biased, FEW)
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 3
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    np.testing.assert_array_equal(again.volume.array, known.found.volume.array)


def test_air_around_the_head_changes_nothing(known: Known) -> None:
    margins = [(3, 0), (2, 5), (0, 4)]
    array, mask = np.pad(known.biased.array, margins), np.pad(known.biased.mask, margins)  # type: ignore[arg-type]
    size = (array.shape[2], array.shape[1], array.shape[0])
    padded = Volume(array, Geometry(size, known.biased.geometry.spacing), mask)
    again = correct_volume(padded, FEW).volume.array
    inner = again[3:, 2:-5, :-4]
    np.testing.assert_allclose(inner, known.found.volume.array, rtol=1e-5)
    outer = again.copy()
    outer[3:, 2:-5, :-4] = 0
    assert not outer.any()


def test_integers_zeros_and_negatives(known: Known) -> None:
    array = (known.biased.array / 10).astype(np.int16)
    array[~known.inside] = 0
    some = np.flatnonzero(known.inside)[:5]
    array.ravel()[some] = -3
    given = Volume(array, known.biased.geometry)
    kept = array.copy()
    few = BiasFieldConfig(iterations=(3,), save_bias=True, coarsest_mm=12.0)
    staged = correct_bias_field(
        Scans({"t1": given, "": replace(given, mask=known.biased.mask)}), few
    )
    result = staged.scans.images["t1"]
    np.testing.assert_array_equal(array, kept)
    assert result.array.dtype == np.float32
    np.testing.assert_array_equal(result.array == 0, array == 0)
    assert np.all(result.array.ravel()[some] < 0)
    assert staged.decided["t1"]["mask"] == "otsu"
    assert staged.decided[""]["mask"] == "given"
    assert set(staged.byproducts) == {"bias_field_t1", "bias_field"}
    assert staged.decided[""]["not_positive"] == 5
    assert not any("not positive" in note for note in staged.notes)


def test_many_voxels_that_are_not_positive_are_said(known: Known) -> None:
    array, inside = known.biased.array.copy(), np.flatnonzero(known.inside)
    array.ravel()[inside[: len(inside) // 50]] = 0
    given = replace(known.biased, array=array)
    quick = BiasFieldConfig(iterations=(1,), coarsest_mm=12.0)
    staged = correct_bias_field(Scans({"": given}), quick)
    assert any("(2.0%)" in note and "look at the mask" in note for note in staged.notes)


def test_the_coarse_grid_follows_the_size_of_voxels_and_of_the_volume() -> None:
    def grid(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> list[int]:
        found = coarse_grid(np.ones(size, dtype=np.bool_), spacing, BiasFieldConfig())
        return [*(axis.step for axis in found.axes), found.levels]

    assert grid((155, 240, 240), (1.0, 1.0, 1.0)) == [4, 4, 4, 4]
    assert grid((90, 120, 120), (2.0, 2.0, 2.0)) == [2, 2, 2, 4]
    assert grid((25, 256, 256), (5.5, 0.9, 0.9)) == [1, 4, 4, 4]
    assert grid((20, 256, 256), (1.0, 1.0, 1.0)) == [1, 4, 4, 4]
    assert grid((60, 60, 60), (1.0, 1.0, 1.0)) == [2, 2, 2, 2]


def test_the_knots_are_as_far_apart_along_every_axis() -> None:
    spacing = (5.5, 0.9, 0.9)
    found = coarse_grid(np.ones((25, 600, 200), dtype=np.bool_), spacing, BiasFieldConfig())
    distances = [
        (axis.before + axis.count + axis.after - 1) * axis.step * mm / axis.spans
        for axis, mm in zip(found.axes, spacing, strict=True)
    ]
    assert max(distances) / min(distances) < 1.2
    assert [axis.spans for axis in found.axes] == [1, 2, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.nan, "finite"),
        (-1.0, "positive intensities"),
        (7.0, "differ"),
    ],
)
def test_what_has_no_field_is_refused(values: float, message: str) -> None:
    array = np.full((6, 6, 6), values, dtype=np.float32)
    volume = Volume(array, Geometry((6, 6, 6)), np.ones((6, 6, 6), dtype=np.uint8))
    with pytest.raises(PreprocessingError, match=f"flair: .*{message}"):
        correct_bias_field(Scans({"flair": volume}), BiasFieldConfig())


def test_an_empty_mask_is_refused() -> None:
    array = np.arange(216.0).reshape(6, 6, 6)
    with pytest.raises(PreprocessingError, match="foreground"):
        correct_volume(Volume(array, Geometry((6, 6, 6)), np.zeros((6, 6, 6), dtype=np.uint8)))
