"""Batches of images from a store: read ahead, cropped, varied, and on their device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harmonize_kit.config.training_augmentation import Augmentation
from harmonize_kit.config.translation import TrainingConfig
from harmonize_kit.translation.augmentation import Variation, draw_variation, margin
from harmonize_kit.translation.augmentation_intensity import recolour
from harmonize_kit.translation.augmentation_patches import import_torchio, move_patch
from harmonize_kit.translation.augmentation_slices import move_slices
from harmonize_kit.translation.cyclegan import Batch
from harmonize_kit.translation.matching import Drawn, Matching
from harmonize_kit.translation.parts import Part, patch_part, slice_part
from harmonize_kit.translation.store import INSIDE, LESION

# Separate the draws of crops and of variations from those of slices.
CROPS, VARIATIONS = 7_919, 104_729
Pair = tuple[Batch, Batch]
AVERAGE = {2: nn.functional.avg_pool2d, 3: nn.functional.avg_pool3d}
LARGEST = {2: nn.functional.max_pool2d, 3: nn.functional.max_pool3d}


@dataclass(frozen=True)
class _Read:
    """Parts as they were read: as small as they are stored, since they travel to the device.

    ``along`` are their places along z, y and x, shape (n, length) each; or, of patches that moved,
    one tensor of shape (n, 3, z, y, x). What the device is to do with them travels with them.
    """

    images: Tensor
    regions: Tensor
    along: tuple[Tensor, ...]
    variation: Variation | None

    def each(self, change: Callable[[Tensor], Tensor]) -> _Read:
        """Return all of it with every tensor changed."""
        return _Read(
            change(self.images), change(self.regions), tuple(map(change, self.along)),
            None if self.variation is None else self.variation.each(change),
        )  # fmt: skip


class BatchLoader:
    """Batches by step, each read while the one before it is trained on.

    Parameters
    ----------
    matching : Matching
    config : TrainingConfig
    neighbours : int
        Slices seen on either side.
    device : torch.device
    rank, world : int
        Which of how many processes this is: together they train on one batch ``world`` times as
        large, drawn as a whole.
    places : bool
        Whether to tell where in the head voxels lie.
    dimensions : {2, 3}
        Slices, or patches of ``config.crop`` voxels a side.

    Raises
    ------
    DependencyError
        If patches are to be moved, and torchio is not installed.
    """

    def __init__(
        self,
        matching: Matching,
        config: TrainingConfig,
        neighbours: int,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
        *,
        places: bool = False,
        dimensions: int = 2,
    ) -> None:
        self.matching = matching
        self.config = config
        self.neighbours = neighbours
        self.device = device
        self.places = places
        self.dimensions = dimensions
        self.varies = config.augmentation or Augmentation(probability=0)
        if self.varies.moves and dimensions == 3:
            # Asked for before the first step, and not by a thread in the midst of it.
            import_torchio()
        self.own = slice(rank * config.batch, (rank + 1) * config.batch)
        self.total = world * config.batch
        self._pool = ThreadPoolExecutor(1)
        self._ahead: dict[tuple[str, int, int], Future[tuple[_Read, _Read]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def expect(self, site: str, step: int, part: int) -> None:
        """Begin to read a batch that will be asked for."""
        key = (site, step, part)
        if key not in self._ahead:
            self._ahead[key] = self._pool.submit(self._read, *key)

    def batch(self, site: str, step: int, part: int) -> Pair:
        """Return the batch of ``site`` and that of the reference, part ``part`` of a step."""
        self.expect(site, step, part)
        theirs, ours = self._ahead.pop((site, step, part)).result()
        shrink = self.config.shrink_at(step)
        return self._on_device(theirs, shrink), self._on_device(ours, shrink)

    def _read(self, site: str, step: int, part: int) -> tuple[_Read, _Read]:
        theirs, ours = self.matching.draw(site, step, part, self.total)
        crops, variations = (
            np.random.default_rng([self.config.seed, own, step, part])
            for own in (CROPS, VARIATIONS)
        )
        # Pairs of one place are cropped and mirrored alike, by the same chance drawn twice.
        again = deepcopy(crops) if self.config.same_place else crops
        of_theirs, of_ours = self._variation(variations), self._variation(variations)
        if of_theirs is not None and of_ours is not None and self.config.same_place:
            of_ours = of_ours.lying_as(of_theirs)
        shown = self._shown(self._parts(theirs, crops), of_theirs)
        return shown, self._shown(self._parts(ours, again), of_ours)

    def _parts(self, drawn: Drawn, rng: np.random.Generator) -> list[Part]:
        store, crop = self.matching.store, self.config.crop
        parts: list[Part] = []
        for place, (case, number) in enumerate(drawn):
            # Chance is drawn for the whole batch, whichever part of it is this process's.
            where, mirrored = rng.random(2), bool(rng.random() < 0.5) and self.config.flip
            if place not in range(self.own.start, self.own.stop):
                continue
            if self.dimensions == 3 and crop is not None:
                parts.append(patch_part(store, case, number, crop, where, mirrored=mirrored))
            else:
                parts.append(slice_part(store, case, number, crop, where, mirrored=mirrored))
        return parts

    def _shown(self, parts: list[Part], variation: Variation | None) -> _Read:
        """Read parts, with what varies them: patches are moved here, slices on the device."""
        store = self.matching.store
        if variation is not None and self.varies.moves and self.dimensions == 3:
            moved = [move_patch(store, part, variation, row) for row, part in enumerate(parts)]
            images, regions, places = zip(*moved, strict=True)
            along = (places,) if self.places else ()
        else:
            if self.varies.moves and self.config.crop is not None:
                parts = [part.widened(self._around(self.config.crop)) for part in parts]
            seen = None if self.dimensions == 3 else self.neighbours
            images, regions = zip(*(part.read(store, seen) for part in parts), strict=True)
            along = zip(*(part.places() for part in parts), strict=True) if self.places else ()
        lines = tuple(_stacked(arrays) for arrays in along)
        read = _Read(_stacked(images), _stacked(regions), lines, variation)
        return read.each(Tensor.pin_memory) if self.device.type == "cuda" else read

    def _variation(self, rng: np.random.Generator) -> Variation | None:
        """Draw for the whole batch, and return what is of this process."""
        if not self.varies.moves and not self.varies.recolours:
            return None
        channels = self.matching.store.images.shape[1]
        drawn = draw_variation(self.varies, rng, self.total, self.dimensions, channels)
        return drawn.each(lambda values: values[self.own])

    def _around(self, crop: int) -> int:
        most = self.varies
        return margin(
            crop, 2, degrees=most.rotation, scale=1 - most.scale, shift=most.shift,
            elastic=most.elastic,
        )  # fmt: skip

    def _on_device(self, read: _Read, shrink: int) -> Batch:
        read = read.each(lambda tensor: tensor.to(self.device, non_blocking=True))
        images, regions, variation = read.images.float(), read.regions, read.variation
        channels = self.matching.store.images.shape[1]
        own = slice(self.neighbours * channels, (self.neighbours + 1) * channels)
        if variation is not None and self.varies.moves and self.dimensions == 2:
            crop = self.config.crop
            size = (images.shape[2], images.shape[3]) if crop is None else (crop, crop)
            images, regions, places = move_slices(images, regions, read.along, variation, size, own)
        else:
            places = _grid(read.along, self.dimensions) if read.along else None
        if variation is not None and self.varies.recolours:
            images = recolour(images, regions >= INSIDE, variation, own)
        if shrink > 1:
            average = AVERAGE[self.dimensions]
            images = average(images, shrink)
            regions = LARGEST[self.dimensions](regions.float(), shrink)
            places = None if places is None else average(places, shrink)
        return Batch(images, regions >= INSIDE, regions >= LESION, places, shrink)


def _stacked(arrays: Sequence[NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))  # pyright: ignore[reportUnknownMemberType]


def _grid(along: Sequence[Tensor], dimensions: int) -> Tensor:
    """Return places, shape (n, 3, ...), of those along each axis, or as they are."""
    if len(along) == 1:
        return along[0]
    shape = [len(along[0]), *(line.shape[1] for line in along)]
    lines = [
        line.reshape([shape[0], *(-1 if other == axis else 1 for other in range(3))])
        for axis, line in enumerate(along)
    ]
    grid = torch.stack([line.expand(shape) for line in lines], dim=1)
    return grid if dimensions == 3 else grid[:, :, 0]
