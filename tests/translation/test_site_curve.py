"""The invertible curve and field against what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from harmonize_kit.errors import ConfigError, GeometryError
from harmonize_kit.translation.site_curve import fit_site_curve

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


def test_it_finds_the_curve_and_the_field() -> None:
    ours = [head(n) for n in range(12)]
    theirs = [seen_by_the_other(head(n)) for n in range(20, 32)]
    curve = fit_site_curve(theirs, ours, field=True, width=4)
    truth, mask = head(40)
    image, _ = seen_by_the_other((truth, mask))
    made = curve.apply(image, mask)
    error, before = (np.abs(one - truth)[:, mask].mean(axis=1) for one in (made, image))
    assert (error < 0.5 * before).all(), error / before
    without = fit_site_curve(theirs, ours, field=False).apply(image, mask)
    assert error.mean() < np.abs(without - truth)[:, mask].mean()


@pytest.mark.parametrize("field", [False, True])
def test_it_can_be_undone_and_keeps_the_background(field: bool) -> None:
    ours, theirs = [head(n) for n in range(3)], [seen_by_the_other(head(n)) for n in range(5, 8)]
    curve = fit_site_curve(theirs, ours, field=field)
    image, mask = seen_by_the_other(head(9))
    image = np.where(mask, image, 7.0) * 2
    made = curve.apply(image, mask)
    np.testing.assert_allclose(curve.undo(made, mask), image, atol=1e-4)
    np.testing.assert_array_equal(made[:, ~mask], image[:, ~mask].astype(np.float32))
    flat = np.argsort(image[0][mask], kind="stable")
    if not field:
        assert (np.diff(made[0][mask][flat]) >= 0).all()


def test_images_of_one_site_stay_as_they_are() -> None:
    heads = [head(n) for n in range(3)]
    image, mask = head(9)
    made = fit_site_curve(heads, heads, field=True).apply(image, mask)
    np.testing.assert_allclose(made, image, atol=1e-4)


def test_what_does_not_fit_is_told() -> None:
    image, mask = head(0)
    with pytest.raises(ConfigError, match="the reference has no image"):
        fit_site_curve([(image, mask)], [], field=False)
    with pytest.raises(ConfigError, match="as many modalities, got 2 and 1"):
        fit_site_curve([(image, mask)], [(image[:1], mask)], field=False)
    curve = fit_site_curve([(image, mask)], [head(1)], field=True)
    with pytest.raises(GeometryError, match="register it to the same template"):
        curve.apply(image[..., 1:], mask[..., 1:])
    with pytest.raises(ConfigError, match="expected 2 modalities, got 1"):
        curve.apply(image[:1], mask)
