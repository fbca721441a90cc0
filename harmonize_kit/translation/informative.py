"""Which slices of a case show enough of the head to teach, and how much of a lesion they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log2

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.store import INSIDE, LESION, SliceStore, StoredCase

# A slice that shows less of the head than this, of what the case's largest shows, teaches little.
SMALLEST_SHARE = 1 / 12


@dataclass(frozen=True)
class InformativeSlices:
    """The slices of a case that show enough of its head.

    Parameters
    ----------
    numbers : ndarray of int
        All of them.
    plain : ndarray of int
        Those without a lesion.
    lesioned : mapping of int to ndarray of int
        Those with one, by its area: within a factor of two, the whole number n stands for 2^n to
        2^(n+1) times the head's area in the case's largest slice. It is of the head and not in
        voxels, since sites may have voxels of other sizes.
    load : float
        Share of the head's voxels that lie in a lesion, all slices counted.
    """

    numbers: NDArray[np.int64]
    plain: NDArray[np.int64]
    lesioned: Mapping[int, NDArray[np.int64]]
    load: float

    def area_of(self, number: int) -> int | None:
        """Return the key of ``lesioned`` that a slice is found under, None of a plain one."""
        return next((area for area, own in self.lesioned.items() if number in own), None)

    def like(self, area: int | None) -> tuple[NDArray[np.int64], float]:
        """Return the slices that show most nearly as much of a lesion, and how alike they are.

        A Gaussian kernel tells how alike: one standard deviation is a factor of two in area. Where
        there is no lesion, or none is asked for and every slice shows one, it is 0.
        """
        if area is None:
            return self.plain, float(len(self.plain) > 0)
        if not self.lesioned:
            return self.numbers, 0.0
        nearest = min(self.lesioned, key=lambda own: (abs(own - area), own))
        return self.lesioned[nearest], float(np.exp(-0.5 * (nearest - area) ** 2))


def informative_slices(store: SliceStore, case: StoredCase) -> InformativeSlices:
    """Return the slices of a case that teach.

    Raises
    ------
    ConfigError
        If its mask is empty.
    """
    masks = store.masks[case.first : case.first + case.count]
    head, lesion = (np.asarray(found.sum(axis=(1, 2))) for found in (
        masks >= INSIDE, masks == LESION,
    ))  # fmt: skip
    largest = int(head.max(initial=0))
    if largest == 0:
        raise ConfigError(f"case {case.id}: its brain mask is empty; leave the case out")
    numbers = np.flatnonzero(head >= SMALLEST_SHARE * largest)
    lesioned: dict[int, list[int]] = {}
    for number in numbers[lesion[numbers] > 0].tolist():
        lesioned.setdefault(floor(log2(lesion[number] / largest)), []).append(number)
    return InformativeSlices(
        numbers,
        numbers[lesion[numbers] == 0],
        {area: np.array(own, dtype=np.int64) for area, own in sorted(lesioned.items())},
        float(lesion.sum() / head.sum()),
    )
