"""Tissue classes of a masked image by fuzzy c-means of its intensities.

Fuzzy c-means (Bezdek 1981) finds class centres c_k and memberships u_k(x), summing to 1 at each
intensity x, that minimise sum of u_k(x)^m (x - c_k)^2. At the minimum

    u_k(x) = (x - c_k)^-2 / sum_j (x - c_j)^-2    and    c_k = mean of x weighted with u_k(x)^2

for the usual m = 2; both are applied in turn. Memberships depend on the intensity alone, so voxels
of nearly the same intensity are taken together, at their mean and with their number: the two sums
become sums over a few thousand groups, at an error far below the noise of any image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError

GROUPS = 4096
ITERATIONS = 1000
TOLERANCE = 1e-7
"""Largest step of a centre at the end, as a share of the distance between the first centres."""


@dataclass(frozen=True)
class TissueClasses:
    """Classes of the intensities of one image.

    Parameters
    ----------
    centres : ndarray, shape (k,)
        Intensity of each class, ascending: CSF, grey and white matter on a T1-weighted brain.
    memberships : ndarray of float32, shape (k, z, y, x)
        Share of each class in each voxel, summing to 1 in the mask and 0 outside it.
    """

    centres: NDArray[np.float64]
    memberships: NDArray[np.float32]

    def hard(self) -> NDArray[np.uint8]:
        """Return the number of the likeliest class, from 1 on, shape (z, y, x); 0 is outside."""
        likeliest = 1 + self.memberships.argmax(axis=0)
        return np.where(self.memberships.any(axis=0), likeliest, 0).astype(np.uint8)


def tissue_classes(volume: Volume, n_classes: int = 3) -> TissueClasses:
    """Return the classes of the intensities in the mask of ``volume``.

    The first centres are quantiles in the middle of ``n_classes`` equal shares of the voxels, so
    that the same image gives the same classes.

    Parameters
    ----------
    volume : Volume
        With a mask; best after bias field correction, since a class is one intensity everywhere.
    n_classes : int
        Two or more.

    Raises
    ------
    PreprocessingError
        If there is no mask, or it holds fewer different intensities than classes, or one that is
        not finite.

    References
    ----------
    Bezdek, Pattern Recognition with Fuzzy Objective Function Algorithms, 1981; Pham and Prince,
    Pattern Recognition Letters 20, 1999, for brains.
    """
    if n_classes < 2:
        raise ValueError(f"expected two classes or more, got {n_classes}")
    if volume.mask is None:
        raise PreprocessingError(
            "tissue classes: expected a volume with a mask of the brain, got none; strip the skull "
            "before, or give a mask"
        )
    inside = volume.mask != 0
    values = volume.array[inside].astype(np.float64)
    if not np.isfinite(values).all():
        raise PreprocessingError("tissue classes: the mask holds voxels that are not finite")
    centres = class_centres(values, n_classes)
    memberships = np.zeros((n_classes, *volume.array.shape), dtype=np.float32)
    memberships[:, inside] = memberships_at(values, centres)
    return TissueClasses(centres, memberships)


def class_centres(values: NDArray[np.float64], n_classes: int = 3) -> NDArray[np.float64]:
    """Return the centres of fuzzy c-means, ascending, shape (n_classes,).

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite intensities.

    Raises
    ------
    PreprocessingError
        If there are fewer different intensities than classes, or the iteration does not settle.
    """
    points, counts = grouped(values)
    if len(points) < n_classes:
        raise PreprocessingError(
            f"tissue classes: expected at least {n_classes} different intensities in the mask, "
            f"got {len(points)}"
        )
    shares = (np.arange(n_classes) + 0.5) / n_classes
    centres = points[np.searchsorted(np.cumsum(counts), shares * counts.sum())]
    if (np.diff(centres) <= 0).any():  # one intensity is so frequent that quantiles coincide
        centres = points[np.rint(shares * (len(points) - 1)).astype(np.intp)]
    settled = TOLERANCE * np.ptp(centres)
    for _ in range(ITERATIONS):
        weights = counts * memberships_at(points, centres) ** 2
        moved = weights @ points / weights.sum(axis=1)
        step, centres = np.abs(moved - centres).max(), moved
        if step <= settled:
            return np.sort(centres)
    raise PreprocessingError(
        f"tissue classes: the centres of {n_classes} classes still moved after {ITERATIONS} steps"
    )


def memberships_at(
    values: NDArray[np.float64], centres: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of each class at each intensity, shape (k, n); the shares sum to 1."""
    squared = (values - centres[:, np.newaxis]) ** 2
    # At a centre its own class takes all: a floor far below any distance that matters.
    floor = np.finfo(np.float64).eps ** 2 * max(float(np.ptp(centres)) ** 2, np.finfo(float).tiny)
    closeness = 1.0 / np.maximum(squared, floor)
    closeness /= closeness.sum(axis=0)
    return closeness


def grouped(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean intensity and the number of voxels of groups of nearly equal intensity.

    Groups are cut both at even steps of intensity and at even steps of rank, 4096 of each, so
    that neither a far outlier nor a long tail makes any group both wide and populous. Where there
    are few different intensities, each is a group of its own.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Finite intensities, at least one.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    n = len(ordered)
    if n == 0:
        return np.empty(0), np.empty(0)
    first = np.flatnonzero(np.r_[True, np.diff(ordered) > 0])
    if len(first) > GROUPS:
        steps = ordered[0] + np.arange(GROUPS) * ((ordered[-1] - ordered[0]) / GROUPS)
        ranks = np.arange(GROUPS) * n // GROUPS
        # Cuts between equal intensities would be harmless, but depend on how many there are.
        cuts = np.r_[np.searchsorted(ordered, steps), np.searchsorted(ordered, ordered[ranks])]
        first = np.unique(cuts)
    counts = np.diff(np.r_[first, n]).astype(np.float64)
    return np.add.reduceat(ordered, first) / counts, counts
