"""Sharpness: white noise blurred by a Gaussian has the width of that Gaussian."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from harmonize_kit.preprocess.quality.sharpness import FWHM_PER_SD, fwhm


def _blurred(widths: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0.0, 1.0, (72, 72, 72))
    return ndimage.gaussian_filter(noise, [w / FWHM_PER_SD for w in widths], mode="wrap")


@pytest.mark.parametrize("widths", [(2.5, 3.0, 4.0), (5.0, 2.5, 3.0)])
def test_known_width_is_found_along_each_axis(widths: tuple[float, float, float]) -> None:
    image = _blurred(widths)
    z, y, x = np.mgrid[:72, :72, :72]
    ball = (z - 36) ** 2 + (y - 36) ** 2 + (x - 36) ** 2 < 33**2
    assert fwhm(image, ball) == pytest.approx(widths, rel=0.05)


def test_blur_widens_and_intensity_does_not_matter() -> None:
    image = _blurred((2.5, 2.5, 2.5))
    everywhere = np.ones(image.shape, dtype=bool)
    sharp, same = fwhm(image, everywhere), fwhm(40.0 * image + 300.0, everywhere)
    blunt = fwhm(ndimage.gaussian_filter(image, (1.0, 0.0, 0.0)), everywhere)
    assert same == pytest.approx(sharp)
    assert (blunt[0] or 0.0) > 1.2 * (sharp[0] or 0.0)
    assert blunt[2] == pytest.approx(sharp[2], rel=0.1)


def test_no_width_where_neighbours_oppose_or_nothing_varies() -> None:
    checkerboard = np.indices((8, 8, 8)).sum(axis=0) % 2.0
    everywhere = np.ones((8, 8, 8), dtype=bool)
    assert fwhm(checkerboard, everywhere) == (None, None, None)
    assert fwhm(np.ones((8, 8, 8)), everywhere) == (None, None, None)
    assert fwhm(checkerboard, ~everywhere) == (None, None, None)
