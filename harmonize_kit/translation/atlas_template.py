"""The unpaired atlas template: add what the reference's mean image has more than the site's.

The cheapest translation of images on one grid, and hard to beat where sites differ alike in every
subject: it needs neither pairs nor training. Where they differ by subject, or by what no mean shows
(noise, sharpness, lesions), it does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.errors import ConfigError, GeometryError

Image = NDArray[np.floating]
Mask = NDArray[np.bool_]
# Fewer subjects than these show a voxel too rarely for a mean.
SMALLEST_SHARE = 0.5


@dataclass(frozen=True)
class MeanImage:
    """The mean of a site's images on one grid.

    Parameters
    ----------
    total : ndarray, shape (c, z, y, x)
        Sum of intensities inside the subjects' masks.
    count : ndarray, shape (z, y, x)
        Subjects whose mask holds the voxel.
    subjects : int
    """

    total: NDArray[np.float64]
    count: NDArray[np.int64]
    subjects: int

    @classmethod
    def of(cls, images: Iterable[tuple[Image, Mask]], site: str) -> MeanImage:
        """Return the mean over pairs of images (c, z, y, x) and mask (z, y, x).

        Raises
        ------
        GeometryError
            If images differ in shape: register them to one template first.
        ConfigError
            If there is none.
        """
        total: NDArray[np.float64] | None = None
        count = np.zeros(0, np.int64)
        subjects = 0
        for image, mask in images:
            if total is None:
                total = np.zeros(image.shape)
                count = np.zeros(mask.shape, np.int64)
            if image.shape != total.shape or mask.shape != count.shape:
                raise GeometryError(
                    f"a mean image needs one grid, expected {total.shape} at site '{site}', got "
                    f"{image.shape}; register the images to one template first"
                )
            total += np.where(mask, image, 0)
            count += mask
            subjects += 1
        if total is None:
            raise ConfigError(f"site '{site}' has no image to take the mean of")
        return cls(total, count, subjects)

    @property
    def overlap(self) -> float:
        """Share of the masks' voxels that lie where most subjects have some: 1 if all agree."""
        shown = float(self.count.sum())
        return float(self.count[self._known].sum()) / shown if shown else 0.0

    @property
    def _known(self) -> NDArray[np.bool_]:
        return self.count >= SMALLEST_SHARE * self.subjects

    def smoothed(self, width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean, smoothed inside of what most subjects show, and that region's weight.

        ``width`` is the Gaussian's standard deviation in voxels. Smoothing total and count alike
        keeps the zeros around the head out of the mean.
        """
        known = self._known
        weight = ndimage.gaussian_filter(np.where(known, self.count, 0).astype(float), width)
        totals = [
            ndimage.gaussian_filter(np.where(known, channel, 0.0), width) for channel in self.total
        ]
        return np.stack(totals) / np.maximum(weight, 1e-12), np.where(known, weight, 0.0)


@dataclass(frozen=True)
class AtlasTemplate:
    """What to add to a site's images, shape (c, z, y, x), zero where too few subjects show."""

    difference: NDArray[np.float32]

    @classmethod
    def fit(cls, site: MeanImage, reference: MeanImage, width: float = 1.0) -> AtlasTemplate:
        """Return the difference of two mean images, smoothed by ``width`` voxels.

        Raises
        ------
        GeometryError
            If both lie on different grids.
        """
        if site.total.shape != reference.total.shape:
            raise GeometryError(
                f"two mean images must lie on one grid, got {site.total.shape} and "
                f"{reference.total.shape}; register all images to one template"
            )
        (theirs, seen), (ours, shown) = site.smoothed(width), reference.smoothed(width)
        both = (seen > 0) & (shown > 0)
        return cls(np.where(both, ours - theirs, 0).astype(np.float32))

    def apply(self, image: Image, mask: Mask) -> NDArray[np.float32]:
        """Return an image (c, z, y, x) with the difference added inside of its mask.

        Raises
        ------
        GeometryError
            If the image lies on another grid.
        """
        self._require_grid(image)
        single = image.astype(np.float32)
        return np.where(mask, single + self.difference, single)

    def undo(self, image: Image, mask: Mask) -> NDArray[np.float32]:
        """Return an image of the reference as the site would show it: the difference taken away.

        Raises
        ------
        GeometryError
            As :meth:`apply`.
        """
        self._require_grid(image)
        single = image.astype(np.float32)
        return np.where(mask, single - self.difference, single)

    def _require_grid(self, image: Image) -> None:
        if image.shape != self.difference.shape:
            raise GeometryError(
                f"expected an image of shape {self.difference.shape}, the template's, got "
                f"{image.shape}; register it to the same template"
            )
