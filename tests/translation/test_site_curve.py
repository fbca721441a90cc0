"""The invertible curve and field against what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from harmonize_kit.errors import ConfigError, GeometryError
from harmonize_kit.translation.atlas_template import MeanImage
from harmonize_kit.translation.site_curve import (
    SiteCurve,
    image_quantiles,
    mean_curve,
    with_field,
)

SHAPE = (12, 30, 28)
Pair = tuple[np.ndarray, np.ndarray]


def head(number: int) -> Pair:
    rng = np.random.default_rng(number)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:-1, 3:-3, 3:-3] = True
    image = ndimage.gaussian_filter(rng.normal(size=(2, *SHAPE)), (0, 1, 1, 1)) * 5
    return np.where(mask, image, 0), mask


def seen_by_the_other(pair: Pair) -> Pair:
    image, mask = pair
    gradient = np.linspace(-0.5, 0.5, SHAPE[2])
    curved = np.stack([np.sinh(image[0] / 2), 0.5 * image[1] - 1])
    return np.where(mask, curved + gradient, 0), mask


def curve_of(theirs: list[Pair], ours: list[Pair], width: float | None = None) -> SiteCurve:
    """The curve between two sites; with a field smoothed by ``width`` voxels, if one is given."""
    curve = mean_curve(*([image_quantiles(*one) for one in site] for site in (theirs, ours)))
    if width is None:
        return curve
    return with_field(curve, theirs, MeanImage.of(ours, "the reference"), width)


def test_it_finds_the_curve_and_the_field() -> None:
    ours = [head(n) for n in range(12)]
    theirs = [seen_by_the_other(head(n)) for n in range(20, 32)]
    curve = curve_of(theirs, ours, width=4)
    truth, mask = head(40)
    image, _ = seen_by_the_other((truth, mask))
    made = curve.apply(image, mask)
    error, before = (np.abs(one - truth)[:, mask].mean(axis=1) for one in (made, image))
    assert (error < 0.5 * before).all(), error / before
    without = curve_of(theirs, ours).apply(image, mask)
    assert error.mean() < np.abs(without - truth)[:, mask].mean()


@pytest.mark.parametrize("width", [None, 12.0])
def test_it_can_be_undone_and_keeps_the_background(width: float | None) -> None:
    ours, theirs = [head(n) for n in range(3)], [seen_by_the_other(head(n)) for n in range(5, 8)]
    curve = curve_of(theirs, ours, width)
    image, mask = seen_by_the_other(head(9))
    image = np.where(mask, image, 7.0) * 2
    made = curve.apply(image, mask)
    np.testing.assert_allclose(curve.undo(made, mask), image, atol=1e-4)
    np.testing.assert_array_equal(made[:, ~mask], image[:, ~mask].astype(np.float32))
    flat = np.argsort(image[0][mask], kind="stable")
    if width is None:
        assert (np.diff(made[0][mask][flat]) >= 0).all()


def test_images_of_one_site_stay_as_they_are() -> None:
    heads = [head(n) for n in range(3)]
    image, mask = head(9)
    made = curve_of(heads, heads, 12).apply(image, mask)
    np.testing.assert_allclose(made, image, atol=1e-4)


def test_what_does_not_fit_is_told() -> None:
    image, mask = head(0)
    with pytest.raises(ConfigError, match="the reference has no image"):
        curve_of([(image, mask)], [])
    with pytest.raises(ConfigError, match="as many modalities, got 2 and 1"):
        curve_of([(image, mask)], [(image[:1], mask)])
    curve = curve_of([(image, mask)], [head(1)], 12)
    with pytest.raises(GeometryError, match="register it to the same template"):
        curve.apply(image[..., 1:], mask[..., 1:])
    with pytest.raises(ConfigError, match="expected 2 modalities, got 1"):
        curve.apply(image[:1], mask)
