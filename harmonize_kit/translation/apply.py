"""Using a trained generator on whole volumes: padded and cropped, never resized.

Shapes: images (c, z, y, x), mask (z, y, x), both on one grid whose z runs along the slices the
generator was trained on. Geometry is none of this module's business: what goes in on a grid comes
out on that grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import EllipsisType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.generator import SIZE_MULTIPLE

# Slice orders of axial, coronal and sagittal views: which axis of (z, y, x) runs along the slices.
PLANES = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
# Reflection needs more voxels than it adds.
SMALLEST = 16


@dataclass(frozen=True)
class Applied:
    """What a generator makes of a volume.

    Parameters
    ----------
    images : ndarray of float32, shape (c, z, y, x)
    spread : ndarray of float32, shape (c, z, y, x), or None
        Where several views were taken: half the distance of the largest and the smallest of them,
        a map of how sure the generator is.
    """

    images: NDArray[np.float32]
    spread: NDArray[np.float32] | None


def apply_generator(
    generator: nn.Module,
    config: GeneratorConfig,
    images: NDArray[np.float32],
    mask: NDArray[np.bool_],
    *,
    flips: bool = False,
    planes: bool = False,
    batch: int = 8,
    device: torch.device | None = None,
) -> Applied:
    """Translate a volume slice by slice, each with its true neighbours.

    Parameters
    ----------
    generator : Module
        Of slices; its configuration says how many it sees.
    config : GeneratorConfig
    images : ndarray of float32, shape (c, z, y, x)
    mask : ndarray of bool, shape (z, y, x)
        Where images may change; elsewhere they come back bit by bit.
    flips : bool
        Take each slice mirrored as well, left to right.
    planes : bool
        Take coronal and sagittal slices as well, which only volumes of nearly equal spacing bear.
        Of several views the median is the result.
    batch : int
        Slices at once.
    device : torch.device, optional

    Raises
    ------
    ConfigError
        If the generator is one of volumes, or has other channels.
    """
    if config.dimensions != 2:
        raise ConfigError("expected a generator of slices, got one of patches (dimensions: 3)")
    if images.shape[0] != config.channels:
        raise ConfigError(f"expected {config.channels} modalities, got {images.shape[0]}")
    views: list[NDArray[np.float32]] = []
    # Generators are trained on heads before nothing.
    clean = np.where(mask, images, np.float32(0))
    for order in PLANES if planes else PLANES[:1]:
        turned = clean.transpose(0, *(axis + 1 for axis in order))
        inside = mask.transpose(order)
        back = (0, *(int(axis) + 1 for axis in np.argsort(order)))
        for mirrored in (False, True) if flips else (False,):
            a, b = (turned[..., ::-1], inside[..., ::-1]) if mirrored else (turned, inside)
            made = _slice_by_slice(generator, config.neighbours, a, b, batch, device)
            views.append((made[..., ::-1] if mirrored else made).transpose(back))
    if len(views) == 1:
        return Applied(np.where(mask, views[0], images), None)
    stacked = np.stack(views)
    median = np.median(stacked, axis=0).astype(np.float32)
    spread = 0.5 * (stacked.max(axis=0) - stacked.min(axis=0))
    return Applied(np.where(mask, median, images), np.where(mask, spread, 0).astype(np.float32))


def largest_batch(run: Callable[[int], object], start: int = 64) -> int:
    """Return the largest power of two, up to ``start``, for which ``run(batch)`` has the memory."""
    batch = start
    while batch > 1:
        try:
            run(batch)
        except torch.OutOfMemoryError:
            batch //= 2
            torch.cuda.empty_cache()
        else:
            return batch
    return 1


def _slice_by_slice(
    generator: nn.Module,
    neighbours: int,
    images: NDArray[np.float32],
    mask: NDArray[np.bool_],
    batch: int,
    device: torch.device | None,
) -> NDArray[np.float32]:
    made = np.array(images)
    shown = np.flatnonzero(mask.any(axis=(1, 2)))
    with torch.inference_mode():
        for numbers in _groups(shown, batch):
            seen = np.stack([_with_neighbours(images, int(n), neighbours) for n in numbers])
            padded, window = _pad(torch.tensor(seen))
            inside, _ = _pad(torch.tensor(np.array(mask[numbers][:, None]), dtype=torch.float32))
            out = generator(padded.to(device or "cpu"), inside.to(device or "cpu") > 0.5)
            made[:, numbers] = out[window].float().cpu().numpy().transpose(1, 0, 2, 3)
    return made


def _groups(numbers: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _with_neighbours(
    images: NDArray[np.float32], number: int, neighbours: int
) -> NDArray[np.float32]:
    """Return slice ``number`` and those around it, shape (slices * c, y, x)."""
    wanted = np.arange(number - neighbours, number + neighbours + 1)
    rows = np.clip(wanted, 0, images.shape[1] - 1)
    return images[:, rows].transpose(1, 0, 2, 3).reshape(-1, *images.shape[2:])


def _pad(slices: Tensor) -> tuple[Tensor, tuple[EllipsisType, slice, slice]]:
    """Return slices padded with zeros to sizes the networks can halve, and where they lie."""
    y, x = slices.shape[-2:]
    missing = [max(SMALLEST, -(-size // SIZE_MULTIPLE) * SIZE_MULTIPLE) - size for size in (y, x)]
    top, left = (gap // 2 for gap in missing)
    around = (left, missing[1] - left, top, missing[0] - top)
    window = (..., slice(top, top + y), slice(left, left + x))
    return nn.functional.pad(slices, around), window
