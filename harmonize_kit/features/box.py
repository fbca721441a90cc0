"""A part of a grid: where a region lies, and what of its surroundings a filter needs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

Voxels = tuple[int, int, int]


@dataclass(frozen=True)
class Box:
    """Voxels from ``start`` up to, but not including, ``stop``, along x, y, z."""

    start: Voxels
    stop: Voxels

    @classmethod
    def around(cls, region: NDArray[np.bool_]) -> Box | None:
        """Return the smallest box that holds every true voxel (z, y, x), None where none is."""
        spans: list[tuple[int, int]] = []
        for _ in range(3):
            # What is outside of the slices found need not be looked at again.
            occupied = np.flatnonzero(region.any(axis=(1, 2)))
            if not occupied.size:
                return None
            low, high = int(occupied[0]), int(occupied[-1]) + 1
            spans.append((low, high))
            region = np.moveaxis(region[low:high], 0, 2)
        return cls(_three(low for low, _ in spans[::-1]), _three(high for _, high in spans[::-1]))

    @classmethod
    def whole(cls, image: sitk.Image) -> Box:
        """Return the box of all voxels of an image."""
        return cls((0, 0, 0), _three(image.GetSize()))

    @classmethod
    def union(cls, boxes: list[Box]) -> Box:
        """Return the smallest box that holds several."""
        return cls(
            _three(min(box.start[axis] for box in boxes) for axis in range(3)),
            _three(max(box.stop[axis] for box in boxes) for axis in range(3)),
        )

    @property
    def size(self) -> Voxels:
        """Number of voxels along x, y, z."""
        return _three(high - low for low, high in zip(self.start, self.stop, strict=True))

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return prod(self.size)

    def grown(self, margin: Voxels, size: tuple[int, ...]) -> Box:
        """Return the box with ``margin`` on every side, as far as an image of ``size`` reaches."""
        return Box(
            _three(max(0, low - more) for low, more in zip(self.start, margin, strict=True)),
            _three(
                min(end, high + more)
                for high, more, end in zip(self.stop, margin, size, strict=True)
            ),
        )

    def moved(self, by: Voxels) -> Box:
        """Return the box moved by ``by`` voxels."""
        return Box(
            _three(low + step for low, step in zip(self.start, by, strict=True)),
            _three(high + step for high, step in zip(self.stop, by, strict=True)),
        )

    def within(self, outer: Box) -> Box:
        """Return the same voxels counted from the start of ``outer``."""
        return self.moved(_three(-base for base in outer.start))

    def along(self, axis: int, inner: Box) -> Box:
        """Return this box narrowed to ``inner`` along one axis."""
        start, stop = list(self.start), list(self.stop)
        start[axis], stop[axis] = inner.start[axis], inner.stop[axis]
        return Box(_three(start), _three(stop))

    def crop(self, image: sitk.Image) -> sitk.Image:
        """Return these voxels of ``image``; the same image where they are all of it."""
        if self == Box.whole(image):
            return image
        return sitk.RegionOfInterest(image, self.size, self.start)

    def view(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return these voxels of an array (z, y, x), without copying."""
        (x0, y0, z0), (x1, y1, z1) = self.start, self.stop
        return array[z0:z1, y0:y1, x0:x1]


def _three(values: Any) -> Voxels:
    x, y, z = (int(value) for value in values)
    return x, y, z
