"""Variations of training images, drawn beforehand for a whole batch, from its seed alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import atan, ceil, comb, cos, radians, sin, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harmonize_kit.config.training_augmentation import Augmentation

CONTROL_POINTS = 7
FIELD_ORDER = 3


@dataclass(frozen=True)
class Variation:
    """The parameters of n images, as tensors that travel to the device with them.

    Parameters
    ----------
    moved, recoloured : Tensor of bool, shape (n,)
        Which images are varied at all.
    degrees, scales, shifts : Tensor, shape (n, 3)
        About and along z, y and x. Scales are above 1 where heads get larger, shifts shares of the
        side of what is shown. Slices use their turn about z, and what lies along y and x.
    bends : Tensor, shape (n, d, 7, ...)
        Displacements of control points along each of the d axes, as shares of the side.
    fields : Tensor, shape (n, c, terms)
        Coefficients of each modality's polynomial (:func:`powers`).
    log_gammas : Tensor, shape (n, c)
    """

    moved: Tensor
    recoloured: Tensor
    degrees: Tensor
    scales: Tensor
    shifts: Tensor
    bends: Tensor
    fields: Tensor
    log_gammas: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> Variation:
        """Return the variation with every tensor changed: cut, or brought to a device."""
        return Variation(
            change(self.moved), change(self.recoloured), change(self.degrees), change(self.scales),
            change(self.shifts), change(self.bends), change(self.fields), change(self.log_gammas),
        )  # fmt: skip

    def lying_as(self, other: Variation) -> Variation:
        """Return images moved as those of ``other`` are, with intensities of their own."""
        return Variation(
            other.moved, self.recoloured, other.degrees, other.scales, other.shifts, other.bends,
            self.fields, self.log_gammas,
        )  # fmt: skip


def draw_variation(
    config: Augmentation, rng: np.random.Generator, count: int, dimensions: int, channels: int
) -> Variation:
    """Draw the variations of ``count`` images; as much is drawn whatever is made of it."""
    points = [CONTROL_POINTS] * dimensions
    terms = comb(FIELD_ORDER + dimensions, dimensions)

    def even(most: float, *shape: int) -> NDArray[np.float64]:
        return most * rng.uniform(-1, 1, (count, *shape))

    chosen = rng.random((count, 2)) < config.probability
    drawn = (
        even(config.rotation, 3), 1 + even(config.scale, 3), even(config.shift, 3),
        even(config.elastic, dimensions, *points), even(config.bias_field, channels, terms),
        even(config.log_gamma, channels),
    )  # fmt: skip
    return Variation(
        torch.as_tensor(chosen[:, 0].copy()),
        torch.as_tensor(chosen[:, 1].copy()),
        *(torch.as_tensor(array, dtype=torch.float32) for array in drawn),
    )


def powers(dimensions: int) -> list[tuple[int, ...]]:
    """Return the exponents along each axis of every term of a field.

    Examples
    --------
    >>> powers(2)[:5]
    [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
    """
    each = product(range(FIELD_ORDER + 1), repeat=dimensions)
    return [exponents for exponents in each if sum(exponents) <= FIELD_ORDER]


def margin(
    size: int, dimensions: int, *, degrees: float, scale: float, shift: float, elastic: float
) -> int:
    """Return how many voxels around a square or cube of ``size`` may come to be shown in it.

    Parameters
    ----------
    size : int
        Voxels a side.
    dimensions : {2, 3}
    degrees : float
        The turn at most, about any axis.
    scale : float
        The smallest scale.
    shift, elastic : float
        At most, as shares of the side.

    Examples
    --------
    >>> margin(64, 2, degrees=0, scale=1, shift=0, elastic=0)
    0
    """
    # A unit vector along an axis that turns by an angle leans towards all others alike, at worst.
    others = sqrt(dimensions - 1)
    angle = min(radians(degrees), atan(others))
    reach = (0.5 + elastic) / scale * (cos(angle) + others * sin(angle)) + shift
    return max(0, ceil(size * (reach - 0.5) - 1e-6))
