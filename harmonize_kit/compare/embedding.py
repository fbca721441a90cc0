"""Two coordinates a case, on axes that all candidates share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Floats, column_scale
from harmonize_kit.compare.residuals import leading_axes


@dataclass(frozen=True)
class SharedAxes:
    """Principal axes of one table, for looking at others.

    Parameters
    ----------
    mean, scale : ndarray, shape (p,)
    axes : ndarray, shape (p, 2)
        Zero where the table has fewer than two components.
    explained : tuple of float
        Share of the variance of the standardised features along each axis.
    """

    mean: Floats
    scale: Floats
    axes: Floats
    explained: tuple[float, float]

    def project(self, values: Floats) -> Floats:
        """Return the coordinates of cases, shape (n, 2), in standard deviations of this table."""
        return ((values - self.mean) / self.scale) @ self.axes


def shared_axes(values: Floats) -> SharedAxes:
    """Find the first two principal axes of the standardised features of the first candidate.

    Other candidates are standardised with this table's mean and deviation and projected on its
    axes: axes of their own would turn and stretch each picture, and two pictures could not be
    compared. The sign is such that the largest loading is positive.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    """
    mean, scale = column_scale(values)
    standard = (values - mean) / scale
    axes, explained = np.zeros((values.shape[1], 2)), [0.0, 0.0]
    found = leading_axes(standard, 2)
    axes[:, : found.shape[1]] = found
    total = float(np.sum(standard**2))
    for column, size in enumerate(np.sum((standard @ found) ** 2, axis=0)):
        explained[column] = float(size) / total
    return SharedAxes(mean, scale, axes, (explained[0], explained[1]))
