"""An invertible change of contrast and gain: one intensity curve a modality, and one smooth field.

The mildest translation. The curve takes the site's mean quantiles to the reference's; the field
takes what is left of the difference of the mean images, smoothed until no anatomy is in it. Both
rise everywhere and are positive everywhere, so that every image can be had back, and neither can
add or erase anything. What a network does must be better than this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ConfigError, GeometryError
from harmonize_kit.translation.atlas_template import Image, Mask, MeanImage

QUANTILES = np.concatenate([[0.005], np.linspace(0.01, 0.99, 99), [0.995]])
# Smallest rise of a curve, as a share of its mean rise: flat parts could not be undone.
SMALLEST_RISE = 1e-3


@dataclass(frozen=True)
class SiteCurve:
    """What takes a site's images to the reference.

    Parameters
    ----------
    knots, values : ndarray, shape (c, q)
        Of each modality's curve: increasing intensities of the site, and what becomes of them.
        Beyond the ends the curve goes on with slope 1.
    field : ndarray, shape (c, z, y, x), or None
        What is added after the curve; None where images share no grid.
    """

    knots: NDArray[np.float64]
    values: NDArray[np.float64]
    field: NDArray[np.float32] | None

    def apply(self, image: Image, mask: Mask) -> NDArray[np.float32]:
        """Return an image (c, z, y, x) of the site as the reference would show it.

        Raises
        ------
        GeometryError
            If the image is not on the field's grid.
        """
        field = self._field_for(image)
        made = self._through(image, self.knots, self.values) + field
        return np.where(mask, made, image).astype(np.float32)

    def undo(self, image: Image, mask: Mask) -> NDArray[np.float32]:
        """Return what :meth:`apply` was given, to single precision."""
        back = self._through(image - self._field_for(image), self.values, self.knots)
        return np.where(mask, back, image).astype(np.float32)

    def _field_for(self, image: Image) -> NDArray[np.float64]:
        if image.shape[0] != len(self.knots):
            raise ConfigError(f"expected {len(self.knots)} modalities, got {image.shape[0]}")
        if self.field is None:
            return np.zeros(1)
        if image.shape != self.field.shape:
            raise GeometryError(
                f"expected an image of shape {self.field.shape}, the field's, got {image.shape}; "
                "register it to the same template, or fit without a field"
            )
        return self.field.astype(np.float64)

    @staticmethod
    def _through(
        image: Image, knots: NDArray[np.float64], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        channels = [
            _curve(channel, k, v) for channel, k, v in zip(image, knots, values, strict=True)
        ]
        return np.stack(channels)


def image_quantiles(image: Image, mask: Mask) -> NDArray[np.float64]:
    """Return what a curve needs to know of an image (c, z, y, x): its quantiles, shape (c, q)."""
    return np.quantile(image[:, mask], QUANTILES, axis=1).T.astype(np.float64)


def mean_curve(
    site: Sequence[NDArray[np.float64]], reference: Sequence[NDArray[np.float64]]
) -> SiteCurve:
    """Return the curve from the mean quantiles of a site's images to those of the reference's.

    Parameters
    ----------
    site, reference : sequence of ndarray, shape (c, q)
        Of :func:`image_quantiles`.

    Raises
    ------
    ConfigError
        If one of them is empty, or they differ in modalities.
    """
    knots, values = _mean_of(site, "the site"), _mean_of(reference, "the reference")
    if knots.shape != values.shape:
        raise ConfigError(f"expected as many modalities, got {len(knots)} and {len(values)}")
    return SiteCurve(_rising(knots), _rising(values), None)


def with_field(
    curve: SiteCurve, site: Iterable[tuple[Image, Mask]], reference: MeanImage, width: float
) -> SiteCurve:
    """Return a curve with the field that is left between its images and those of the reference.

    Parameters
    ----------
    curve : SiteCurve
        Without a field.
    site : iterable of (image (c, z, y, x), mask (z, y, x))
    reference : MeanImage
    width : float
        Standard deviation of the field's smoothing, in voxels.

    Raises
    ------
    GeometryError
        If images lie on several grids.
    """
    mapped = ((curve.apply(image, mask), mask) for image, mask in site)
    mean, shown = MeanImage.of(mapped, "the site").smoothed(width)
    wanted, seen = reference.smoothed(width)
    if mean.shape != wanted.shape:
        raise GeometryError(f"two sites on two grids, {mean.shape} and {wanted.shape}")
    both = (shown > 0) & (seen > 0)
    return replace(curve, field=np.where(both, wanted - mean, 0).astype(np.float32))


def _mean_of(quantiles: Sequence[NDArray[np.float64]], name: str) -> NDArray[np.float64]:
    if not len(quantiles):
        raise ConfigError(f"{name} has no image to fit a curve on")
    if len({len(one) for one in quantiles}) > 1:
        raise ConfigError(f"{name}: expected as many modalities in every subject")
    return np.mean(quantiles, axis=0)


def _rising(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quantiles that rise at least a little at every step."""
    steps = np.diff(points, axis=1)
    least = SMALLEST_RISE * np.maximum(steps.mean(axis=1, keepdims=True), 1e-9)
    raised = np.cumsum(np.maximum(steps, least), axis=1)
    return np.concatenate([points[:, :1], points[:, :1] + raised], axis=1)


def _curve(
    intensity: Image, knots: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    inner = np.interp(intensity, knots, values)
    above, below = np.maximum(intensity - knots[-1], 0), np.minimum(intensity - knots[0], 0)
    return inner + above + below
