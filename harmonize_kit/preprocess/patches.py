"""Three-dimensional patches that overlap, and a volume put together from them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ConfigError

Window = Literal["gaussian", "hann", "same"]
Size = tuple[int, int, int]


@dataclass(frozen=True)
class PatchGrid:
    """Where the patches of a volume lie.

    Parameters
    ----------
    shape : tuple of int
        Of the volume, (z, y, x).
    size : tuple of int
        Of a patch, (z, y, x).
    padding : tuple of (int, int)
        Voxels added before and behind on each axis, where a patch is larger than the volume.
    starts : tuple of tuple of int
        First voxel of each patch in the padded volume.
    """

    shape: Size
    size: Size
    padding: tuple[tuple[int, int], ...]
    starts: tuple[Size, ...]

    def __len__(self) -> int:
        return len(self.starts)

    def place(self, number: int) -> tuple[slice, ...]:
        """Return where one patch lies in the padded volume."""
        ends = zip(self.starts[number], self.size, strict=True)
        return tuple(slice(start, start + length) for start, length in ends)


def patch_grid(shape: Size, size: Size, overlap: float = 0.5) -> PatchGrid:
    """Return a grid of patches that covers every voxel of a volume.

    Patches are spread evenly, at least as dense as ``overlap`` asks for, with one flush with either
    end, as nnU-Net slides its window (Isensee et al., Nat Methods 18, 203, 2021).

    Parameters
    ----------
    shape, size : tuple of int
        Of volume and patch, (z, y, x).
    overlap : float
        Share of a patch that the next one covers again along an axis, 0 or more and below 1.

    Raises
    ------
    ConfigError
        If a length is not positive, or the overlap is out of range.

    Examples
    --------
    >>> patch_grid((5, 4, 4), (4, 4, 4)).starts
    ((0, 0, 0), (1, 0, 0))
    """
    if min(*shape, *size) < 1:
        raise ConfigError(f"expected lengths of at least one voxel, got {shape} and {size}")
    if not 0 <= overlap < 1:
        raise ConfigError(f"expected an overlap of 0 or more and below 1, got {overlap:g}")
    padding: list[tuple[int, int]] = []
    along: list[list[int]] = []
    for whole, length in zip(shape, size, strict=True):
        lacking = max(0, length - whole)
        padding.append((lacking // 2, lacking - lacking // 2))
        room, step = max(0, whole - length), max(1, int(length * (1 - overlap)))
        count = -(-room // step) + 1
        along.append([round(k * room / max(1, count - 1)) for k in range(count)])
    return PatchGrid(shape, size, tuple(padding), tuple((z, y, x) for z, y, x in product(*along)))


def patches(array: NDArray[Any], grid: PatchGrid, fill: float = 0.0) -> Iterator[NDArray[Any]]:
    """Yield the patches of an array (..., z, y, x), each of shape (..., *size).

    They are views of it; only where a patch is larger than the volume is it padded first, with
    ``fill``.

    Raises
    ------
    ConfigError
        If the array has another shape than the grid.
    """
    if array.shape[-3:] != grid.shape:
        raise ConfigError(f"expected an array of {grid.shape} voxels, got {array.shape[-3:]}")
    if any(before or behind for before, behind in grid.padding):
        leading = [(0, 0)] * (array.ndim - 3)
        array = np.pad(array, [*leading, *grid.padding], constant_values=fill)
    for number in range(len(grid)):
        yield array[(..., *grid.place(number))]


def reassemble(
    made: Iterable[NDArray[Any]], grid: PatchGrid, window: Window = "gaussian"
) -> NDArray[np.float64]:
    """Return the volume that patches make, shape (..., z, y, x).

    Where patches overlap, they are averaged; ``window`` makes the middle of a patch count more than
    its rim, where a network sees less of the surroundings. Weights are divided out, so patches that
    were left as they are give back the volume they came from.

    Parameters
    ----------
    made : iterable of ndarray, shape (..., *size)
        In the order of :func:`patches`; one at a time is enough, they are not kept.
    grid : PatchGrid
    window : {"gaussian", "hann", "same"}
        Standard deviation of the Gaussian: an eighth of the patch, as nnU-Net has it.

    Raises
    ------
    ConfigError
        If there are fewer or more patches than the grid has, or of another shape.
    """
    weights = window_weights(grid.size, window)
    padded = tuple(
        n + before + behind for n, (before, behind) in zip(grid.shape, grid.padding, strict=True)
    )
    total: NDArray[np.float64] | None = None
    weight = np.zeros(padded)
    count = 0
    for count, patch in enumerate(made, start=1):
        if count > len(grid) or patch.shape[-3:] != grid.size:
            raise ConfigError(
                f"expected {len(grid)} patches of {grid.size} voxels, got patch {count} of "
                f"{patch.shape[-3:]}"
            )
        if total is None:
            total = np.zeros((*patch.shape[:-3], *padded))
        place = grid.place(count - 1)
        total[(..., *place)] += weights * patch
        weight[place] += weights
    if total is None or count < len(grid):
        raise ConfigError(f"expected {len(grid)} patches, got {count}")
    total /= weight
    inner = zip(grid.shape, grid.padding, strict=True)
    return total[(..., *(slice(before, before + n) for n, (before, _) in inner))]


def window_weights(size: Size, window: Window = "gaussian") -> NDArray[np.float64]:
    """Return the weight of each voxel of a patch, shape ``size``: above 0, at most 1."""
    if window not in ("gaussian", "hann", "same"):
        raise ConfigError(f"expected a window gaussian, hann or same, got '{window}'")
    weights = np.ones(size)
    for axis, length in enumerate(size):
        place = np.arange(length) + 0.5 - length / 2
        if window == "gaussian":
            line = np.exp(-0.5 * (place / (length / 8)) ** 2)
        elif window == "hann":
            # The zeros of the window lie one voxel beyond the rim, so that each voxel counts.
            line = np.cos(np.pi * place / (length + 1)) ** 2
        else:
            line = np.ones(length)
        weights = weights * np.expand_dims(line, tuple(a for a in range(3) if a != axis))
    return weights
