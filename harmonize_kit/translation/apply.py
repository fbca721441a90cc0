"""Using a trained generator on whole volumes: padded and cropped, never resized.

Shapes: images (c, z, y, x), mask (z, y, x), both on one grid whose z runs along the slices the
generator was trained on. Geometry is none of this module's business: what goes in on a grid comes
out on that grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.apply_patches import patch_by_patch
from harmonize_kit.translation.degradation import Degradation, degradation_of
from harmonize_kit.translation.generator import SIZE_MULTIPLE, Change, Generator
from harmonize_kit.translation.places import head_box, places_along, places_on
from harmonize_kit.translation.precision import Precision, autocast
from harmonize_kit.translation.volume_change import VolumeChange

# Slice orders of axial, coronal and sagittal views: which axis of (z, y, x) runs along the slices.
PLANES = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
PATCH = 64
# Reflection needs more voxels than it adds.
SMALLEST = 16
T = TypeVar("T")
Network = nn.Module  # a name for those who have no torch to say it with


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
    spacing: tuple[float, float, float] | None = None,
    batch: int = 8,
    patch: int = PATCH,
    device: torch.device | None = None,
    precision: Precision = "fp32",
) -> Applied:
    """Translate a volume slice by slice, each with its true neighbours, or patch by patch.

    A generator back to a site whose blur was measured blurs at the end; noise it adds none.

    Parameters
    ----------
    generator : Module
        Of slices, whose configuration says how many it sees, or of patches.
    config : GeneratorConfig
    images : ndarray of float32, shape (c, z, y, x)
    mask : ndarray of bool, shape (z, y, x)
        Where images may change; elsewhere they come back bit by bit.
    flips : bool
        Take the head mirrored as well, left to right.
    planes : bool
        Take coronal and sagittal slices as well, which only volumes of nearly equal spacing bear.
        Of several views the median is the result.
    spacing : three floats, optional
        Sides of voxels in mm, along x, y and z; needed by a generator whose changes are averaged
        along slices, and by no other.
    batch : int
        Slices, or patches, at once.
    patch : int
        Voxels a side of a patch, for a generator of patches: those it was trained on.
    device : torch.device, optional
    precision : {"fp32", "bf16", "fp16"}
        Of the convolutions.

    Raises
    ------
    ConfigError
        If the generator has other channels, planes are asked of one of patches, or the spacing is
        not told where it is needed.
    """
    if config.dimensions == 3 and planes:
        raise ConfigError("the generator sees patches, which have no planes; leave out planes")
    if images.shape[0] != config.channels:
        raise ConfigError(f"expected {config.channels} modalities, got {images.shape[0]}")
    if spacing is None and (config.field_mm or config.detail_mm):
        raise ConfigError("the generator averages over millimetres; tell the spacing of the voxels")
    views: list[NDArray[np.float32]] = []
    # Generators are trained on heads before nothing.
    clean = np.where(mask, images, np.float32(0))
    where = device or torch.device("cpu")
    for mirrored in (False, True) if flips else (False,):
        a, b = (clean[..., ::-1], mask[..., ::-1]) if mirrored else (clean, mask)
        for order in PLANES if planes else PLANES[:1]:
            with torch.inference_mode(), autocast(precision, where):
                if config.dimensions == 3:
                    made = patch_by_patch(generator, config, a, b, patch, batch, where)
                else:
                    view = _View(a, b, order, spacing and spacing[2 - order[0]])
                    made = _slice_by_slice(generator, config, view, batch, where)
            views.append(made[..., ::-1] if mirrored else made)
    spread: NDArray[np.float32] | None = None
    made = views[0]
    if len(views) > 1:
        stacked = np.stack(views)
        made = np.median(stacked, axis=0).astype(np.float32)
        half = 0.5 * (stacked.max(axis=0) - stacked.min(axis=0))
        spread = np.where(mask, half, 0).astype(np.float32)
    degradation = degradation_of(generator)
    if degradation is not None:
        # In the plane that its blur was measured in, whatever planes were looked at.
        made = _blurred(degradation, np.where(mask, made, np.float32(0)), mask, batch, where)
    return Applied(np.where(mask, made, images), spread)


def _blurred(
    degradation: Degradation,
    images: NDArray[np.float32],
    mask: NDArray[np.bool_],
    batch: int,
    device: torch.device,
) -> NDArray[np.float32]:
    made = images.copy()
    with torch.inference_mode():
        for start in range(0, len(mask), batch):
            rows = slice(start, start + batch)
            slices = _tensor(images[:, rows].swapaxes(0, 1)).to(device)
            inside = _tensor(mask[rows, None]).to(device)
            made[:, rows] = degradation.blurred(slices, inside).cpu().numpy().swapaxes(0, 1)
    return made


def within_memory(run: Callable[[int], T], batch: int) -> tuple[T, int]:
    """Return ``run(batch)`` and the batch, which is halved as often as memory does not suffice.

    What is asked of memory depends on the network, the size and the bits alone, so that who asks
    for the same again can begin with the batch that was enough.

    Raises
    ------
    OutOfMemoryError
        Of torch, if it does not suffice for a batch of one.
    """
    while True:
        try:
            return run(batch), batch
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
        # Out of the handler, whose error holds on to what was made so far.
        batch //= 2
        torch.cuda.empty_cache()


@dataclass(frozen=True)
class _View:
    """A volume, the order of its axes in which slices are cut from it, and mm between them."""

    images: NDArray[np.float32]
    mask: NDArray[np.bool_]
    order: tuple[int, int, int]
    side: float | None


def _slice_by_slice(
    generator: nn.Module,
    config: GeneratorConfig,
    view: _View,
    batch: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Return the images of ``view`` translated, shape (c, z, y, x)."""
    channels = (0, *(axis + 1 for axis in view.order))
    images = _tensor(view.images.transpose(channels)).to(device)
    mask = view.mask.transpose(view.order)
    inside = _tensor(mask).to(device)
    frame = _Frame.around((mask.shape[1], mask.shape[2]))
    made = images.clone()
    whole = None
    if view.side is not None and (config.field_mm or config.detail_mm):
        whole = VolumeChange(config, images, view.side)
    shown = np.flatnonzero(mask.any(axis=(1, 2)))
    # What to take goes to the device once, so that it is not waited for between batches.
    seen_with = _neighbours(shown, config.neighbours, len(mask))
    chosen, around = (_tensor(rows).to(device) for rows in (shown, seen_with))
    for start in range(0, len(shown), batch):
        group = slice(start, start + batch)
        told: list[Tensor] = []
        if config.coordinates:
            told = [_tensor(_places(view, frame, shown[group])).to(device)]
        seen = frame.pad(images[:, around[group]].permute(1, 2, 0, 3, 4).flatten(1, 2))
        rows = chosen[group]
        if whole is not None:
            whole.take(rows, _change(generator, seen, told, frame))
            continue
        out = generator(seen, frame.pad(inside[rows][:, None]), *told)
        made[:, rows] = frame.cut(out).float().transpose(0, 1)
    if whole is not None:
        made = whole.made(inside)
    return made.cpu().numpy().transpose(np.argsort(channels))


def _change(generator: nn.Module, seen: Tensor, told: list[Tensor], frame: _Frame) -> Change:
    """Return the change of slices, without what was padded to them."""
    change = cast(Generator, generator).change(seen, *told)
    cut = [None if p is None else frame.cut(p) for p in (change.gain, change.offset)]
    return Change(frame.cut(change.detail), *cut)


def _neighbours(numbers: NDArray[np.intp], count: int, length: int) -> NDArray[np.intp]:
    """Return the numbers of slices and of those around them, shape (n, slices)."""
    return np.clip(numbers[:, None] + np.arange(-count, count + 1), 0, length - 1)


def _places(view: _View, frame: _Frame, numbers: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the places of padded slices, shape (n, 3, y, x)."""
    across, *within = view.order
    box = head_box(view.mask)
    along = {across: places_along(box, across, 0, view.mask.shape[across])[numbers]}
    for axis, before, after in zip(within, frame.before, frame.after, strict=True):
        along[axis] = places_along(box, axis, -before, view.mask.shape[axis] + after)
    places = places_on([along[axis] for axis in range(3)], view.order)
    return np.ascontiguousarray(places.swapaxes(0, 1))


@dataclass(frozen=True)
class _Frame:
    """Zeros around slices, which make of them sizes that the networks can halve."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def around(cls, sizes: tuple[int, ...]) -> _Frame:
        missing = [
            max(SMALLEST, -(-size // SIZE_MULTIPLE) * SIZE_MULTIPLE) - size for size in sizes
        ]
        before = tuple(gap // 2 for gap in missing)
        return cls(before, tuple(gap - less for gap, less in zip(missing, before, strict=True)))

    def pad(self, images: Tensor) -> Tensor:
        # The last axis comes first, as torch wants it.
        around = [n for ends in zip(self.before, self.after, strict=True) for n in ends[::-1]]
        return nn.functional.pad(images, around[::-1])

    def cut(self, images: Tensor) -> Tensor:
        ends = zip(images.shape[2:], self.before, self.after, strict=True)
        return images[(..., *(slice(less, size - more) for size, less, more in ends))]


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))  # pyright: ignore[reportUnknownMemberType]
