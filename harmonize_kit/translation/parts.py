"""Parts of heads that are shown to networks: slices with their neighbours, or patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.translation.places import places_along
from harmonize_kit.translation.store import INSIDE, SliceStore, StoredCase

Where = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """A slice or a patch of a case.

    Parameters
    ----------
    case : StoredCase
    spans : three slices
        Along z, y and x of the case as it is stored. Those of a patch, and the last two of a
        slice, may reach beyond its ends, where there is nothing.
    mirrored : bool
        Whether it is shown with left and right exchanged.
    """

    case: StoredCase
    spans: tuple[slice, slice, slice]
    mirrored: bool

    def read(
        self, store: SliceStore, neighbours: int | None
    ) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
        """Return its images and regions (:mod:`.store`).

        Of a slice with ``neighbours`` on either side, shapes (slices * c, y, x) and (1, y, x); of a
        patch (None), (c, z, y, x) and (1, z, y, x).
        """
        planes, rows, columns = self.spans
        if neighbours is None:
            own = slice(self.case.first, self.case.first + self.case.count)
            images = _cut(store.images[own].swapaxes(0, 1), self.spans)
            regions = _cut(store.masks[None, own], self.spans)
        else:
            seen = store.seen(self.case, planes.start, neighbours)
            images = _cut(seen, (rows, columns))
            regions = _cut(store.masks[None, self.case.first + planes.start], (rows, columns))
        if self.mirrored:
            images, regions = images[..., ::-1], regions[..., ::-1]
        return images, regions

    def widened(self, around: int) -> Part:
        """Return it with ``around`` voxels more on every side; a slice stays one."""
        planes, rows, columns = (slice(s.start - around, s.stop + around) for s in self.spans)
        if self.spans[0].stop - self.spans[0].start == 1:
            planes = self.spans[0]
        return replace(self, spans=(planes, rows, columns))

    def places(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return the places of its voxels along z, y and x (:mod:`.places`).

        A mirrored head is a head: what is shown on its left lies on its left. So its left and right
        are those of the mirrored picture, and not those of the voxels it was made of.
        """
        z, y, x = (
            places_along(self.case.box, axis, span.start, span.stop)
            for axis, span in enumerate(self.spans)
        )
        return z, y, -x[::-1] if self.mirrored else x


def slice_part(
    store: SliceStore, case: StoredCase, number: int, crop: int | None, where: Where, *,
    mirrored: bool,
) -> Part:  # fmt: skip
    """Return slice ``number`` of a case, or a crop of it."""
    region = store.masks[case.first + number]
    rows, columns = (slice(0, length) for length in region.shape)
    if crop is not None:
        rows, columns = crop_in(region >= INSIDE, crop, where)
    return Part(case, (slice(number, number + 1), rows, columns), mirrored)


def patch_part(
    store: SliceStore, case: StoredCase, number: int, crop: int, where: Where, *, mirrored: bool
) -> Part:
    """Return a patch of ``crop`` voxels a side with slice ``number`` at, or near, its middle."""
    rows, columns = crop_in(store.masks[case.first + number] >= INSIDE, crop, where)
    room = case.count - crop
    start = min(max(number - crop // 2, 0), room) if room >= 0 else room // 2
    return Part(case, (slice(start, start + crop), rows, columns), mirrored)


def _cut(array: NDArray[Any], spans: Sequence[slice]) -> NDArray[Any]:
    """Return what lies in spans of the last axes, 0 beyond their ends."""
    lengths = array.shape[-len(spans) :]
    within = tuple(
        slice(max(span.start, 0), min(span.stop, length))
        for span, length in zip(spans, lengths, strict=True)
    )
    beyond = [
        (own.start - span.start, span.stop - own.stop)
        for own, span in zip(within, spans, strict=True)
    ]
    found = array[(..., *within)]
    if not any(map(any, beyond)):
        return found
    return np.pad(found, [(0, 0)] * (array.ndim - len(spans)) + beyond)


def crop_in(inside: NDArray[np.bool_], size: int, where: Where) -> tuple[slice, slice]:
    """Return the rows and columns of a square crop that shows the head.

    Its centre lies within the head's bounding box, at the fractions ``where``, as far as the image
    allows.

    Parameters
    ----------
    inside : ndarray of bool, shape (y, x)
    size : int
        Voxels a side, no more than the image has.
    where : two numbers in 0 to 1
    """
    cut: list[slice] = []
    for axis in (0, 1):
        length = inside.shape[axis]
        found = np.flatnonzero(inside.any(axis=1 - axis))
        low, high = (int(found[0]), int(found[-1])) if len(found) else (0, length - 1)
        centre = low + where[axis] * (high - low)
        start = int(np.clip(round(centre - size / 2), 0, length - size))
        cut.append(slice(start, start + size))
    return cut[0], cut[1]
