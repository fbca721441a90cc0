"""Masks: a body of known volume in noise, a brain within a scalp, and padding."""

from __future__ import annotations

import numpy as np
import pytest

from harmonize_kit.core.volume import Geometry
from harmonize_kit.preprocess.quality.grid import CoarseGrid, anatomical_axes, height
from harmonize_kit.preprocess.quality.masks import empty_border, head_mask, rough_brain

SPACING = (3.0, 3.0, 3.0)


def _radius_mm() -> np.ndarray:
    return 3.0 * np.sqrt(((np.indices((72, 72, 72)) - 36.0) ** 2).sum(axis=0))


def _head(noise: float) -> np.ndarray:
    """Brain of 65 mm, dark skull to 77 mm, bright scalp to 87 mm, in noisy air."""
    radius = _radius_mm()
    image = np.select([radius < 65.0, radius < 77.0, radius < 87.0], [700.0, 60.0, 900.0], 0.0)
    real, imaginary = np.random.default_rng(0).normal(0.0, noise, (2, *image.shape))
    return np.hypot(image + real, imaginary)


@pytest.mark.parametrize("noise", [5.0, 150.0])
def test_head_of_known_volume_whatever_the_noise(noise: float) -> None:
    found, truth = head_mask(_head(noise), SPACING), _radius_mm() < 87.0
    assert 2.0 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95
    assert found[36, 36, 36]


def test_brain_within_skull_and_scalp() -> None:
    image, truth = _head(20.0), _radius_mm() < 65.0
    found = rough_brain(image, head_mask(image, SPACING), SPACING, (700.0, 2100.0))
    assert found is not None
    assert 2.0 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95


def test_no_brain_where_nothing_has_the_volume_of_one() -> None:
    small = np.where(_radius_mm() < 40.0, 700.0, 0.0)
    assert rough_brain(small, head_mask(small, SPACING), SPACING, (700.0, 2100.0)) is None
    nothing = np.zeros((10, 10, 10), dtype=bool)
    assert rough_brain(np.zeros((10, 10, 10)), nothing, SPACING, (700.0, 2100.0)) is None


def test_padding_is_solid_zeros_at_the_border() -> None:
    image = 1.0 + np.random.default_rng(0).random((20, 20, 20))
    image[:5] = 0.0
    image[10:14, 10:14, 10:14] = 0.0  # zeros inside are no padding
    image[19, 3, 3] = 0.0  # nor is one voxel
    found = empty_border(image)
    assert found[:4].all()
    assert not found[6:].any()


def test_coarse_grid_gives_each_voxel_its_block() -> None:
    array = np.random.default_rng(0).random((11, 9, 7))
    grid = CoarseGrid.of(array.shape, (1.0, 2.0, 5.0), 3.0)
    assert grid.factors == (3, 2, 1)
    assert grid.spacing == (3.0, 4.0, 5.0)
    spread = grid.spread(grid.mean(array))
    assert spread.shape == array.shape
    assert spread[4, 5, 3] == pytest.approx(array[3:6, 4:6, 3].mean())


def test_axes_are_named_by_where_they_point() -> None:
    # As the heads of IXI are stored: the first index runs backwards, the last to the left.
    turned = Geometry((4, 5, 6), direction=(0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    assert anatomical_axes(Geometry((4, 5, 6))) == (2, 1, 0)
    assert anatomical_axes(turned) == (0, 2, 1)
    up = height(turned)
    assert up.shape == (6, 5, 4)
    assert np.array_equal(up[0, :, 0], np.arange(5.0))
    assert np.ptp(up[:, 2, :]) == 0.0
