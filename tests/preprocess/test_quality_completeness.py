"""Slices and voxels: each planted fault is found, and found only where it is."""

from __future__ import annotations

import numpy as np
import pytest

from harmonize_kit.preprocess.quality.completeness import (
    cut,
    cut_anywhere,
    intensity_faults,
    saturated,
    slice_faults,
    wrapped,
)
from harmonize_kit.preprocess.quality.slices import (
    duplicated_slices,
    missing_slices,
    slice_steps,
)


def _image(seed: int = 0) -> np.ndarray:
    """A smooth body in noise: 24 slices of it along each axis, and air around."""
    z, y, x = np.indices((32, 34, 36)) - 16.0
    body = 400.0 * (z**2 + y**2 + x**2 < 144.0) * (1.0 + 0.01 * z)
    return body + np.abs(np.random.default_rng(seed).normal(0.0, 5.0, body.shape))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_repeated_and_missing_slices(axis: int) -> None:
    image = _image()
    assert duplicated_slices(image, axis) == missing_slices(image, axis) == []
    slices = np.moveaxis(image, axis, 0)
    slices[11] = slices[10]
    slices[15:17] = 0.0
    slices[:2] = 0.0  # padding is not missing
    slices[-3] = 7.0  # nor is a constant slice of air
    assert duplicated_slices(image, axis) == [11]
    assert missing_slices(image, axis) == [15, 16]
    faults = slice_faults(image)
    assert (faults["duplicated_slices"], faults["missing_slices"]) == (1.0, 2.0)
    assert faults["slices"] == 32.0


def test_missing_slices_below_zero() -> None:
    """Hounsfield units: air is -1000, so that what is missing may be brighter than it."""
    image = _image() * 5.0 - 1000.0
    image[15] = 0.0
    assert missing_slices(image, 0) == [15]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_dark_slice_and_interleaved_slices(axis: int) -> None:
    image = _image()
    mask = image > 100.0
    clean = slice_steps(image, mask, axis)
    assert clean is not None
    assert clean[0] < 0.02
    assert clean[1] < 0.005
    dark, striped = image.copy(), image.copy()
    np.moveaxis(dark, axis, 0)[16] *= 0.6
    np.moveaxis(striped, axis, 0)[::2] *= 0.9
    step, interleave = slice_steps(dark, mask, axis), slice_steps(striped, mask, axis)
    assert step is not None
    assert interleave is not None
    assert step[0] == pytest.approx(0.4, abs=0.03)
    assert interleave[1] == pytest.approx(0.1 / 0.95, rel=0.1)
    assert slice_steps(3.0 * striped, mask, axis) == pytest.approx(interleave)
    assert slice_steps(image, np.zeros_like(mask), axis) is None


def test_clipped_intensities() -> None:
    image = _image()
    assert saturated(image) == 0.0
    clipped = np.minimum(image, 350.0)
    assert saturated(clipped) == pytest.approx(
        (image >= 350.0).sum() / (clipped > clipped.mean()).sum()
    )
    assert intensity_faults(clipped)["saturated"] > 0.5


@pytest.mark.parametrize("kind", ["int16", "uint16"])
def test_values_that_overflow_their_type(kind: str) -> None:
    z, y, x = np.indices((24, 24, 24)) - 12.0
    smooth = 1.2 * np.iinfo(kind).max * np.exp(-(z**2 + y**2 + x**2) / 40.0)
    assert wrapped(smooth.astype(np.int64).astype(kind)) > 20
    assert wrapped((smooth / 1.3).astype(kind)) == 0
    assert wrapped(smooth.astype(np.float32)) == 0
    assert wrapped((smooth / smooth.max() * 255.0).astype(np.uint8)) == 0


def test_voxels_that_are_no_numbers_and_images_without_contrast() -> None:
    image = _image()
    image[3, 3, 3], image[4, 4, 4] = np.nan, np.inf
    assert intensity_faults(image)["nonfinite"] == 2.0
    assert intensity_faults(np.full((9, 9, 9), 3)) == {"nonfinite": 0.0, "constant": 1.0}
    assert intensity_faults(np.full((9, 9, 9), np.nan)) == {"nonfinite": 729.0, "constant": 1.0}


def test_what_the_field_of_view_cuts_off() -> None:
    mask = _image() > 100.0
    assert cut(mask, 0, -1) == cut_anywhere(mask) == 0.0
    cropped = mask[:16]
    assert cut(cropped, 0, -1) == pytest.approx(1.0)
    assert cut(cropped, 0, 0) == 0.0
    assert cut_anywhere(cropped) == pytest.approx(1.0)
    assert cut(np.zeros_like(mask), 0, 0) is None
