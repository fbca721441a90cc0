"""Batches of images from a store: read ahead, cropped, mirrored, and on their device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harmonize_kit.config.translation import TrainingConfig
from harmonize_kit.translation.cyclegan import Batch
from harmonize_kit.translation.matching import Drawn, Matching
from harmonize_kit.translation.parts import Part, patch_part, slice_part
from harmonize_kit.translation.store import INSIDE, LESION

# Separates the draws of crops from those of slices.
CROPS = 7_919
Pair = tuple[Batch, Batch]
AVERAGE = {2: nn.functional.avg_pool2d, 3: nn.functional.avg_pool3d}
LARGEST = {2: nn.functional.max_pool2d, 3: nn.functional.max_pool3d}


@dataclass(frozen=True)
class _Read:
    """Parts as they were read: as small as they are stored, since they travel to the device.

    ``along`` are their places along z, y and x, shape (n, length) each.
    """

    images: Tensor
    regions: Tensor
    along: tuple[Tensor, ...]


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
        rng = np.random.default_rng([self.config.seed, CROPS, step, part])
        return self._parts(theirs, rng), self._parts(ours, rng)

    def _parts(self, drawn: Drawn, rng: np.random.Generator) -> _Read:
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
        read = [
            part.read(store, None if self.dimensions == 3 else self.neighbours) for part in parts
        ]
        images, regions = (self._stacked(arrays) for arrays in zip(*read, strict=True))
        along = zip(*(part.places() for part in parts), strict=True) if self.places else ()
        return _Read(images, regions, tuple(self._stacked(arrays) for arrays in along))

    def _stacked(self, arrays: Sequence[NDArray[Any]]) -> Tensor:
        tensor = torch.from_numpy(np.stack(arrays))  # pyright: ignore[reportUnknownMemberType]
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def _on_device(self, read: _Read, shrink: int) -> Batch:
        images, regions, *along = (
            tensor.to(self.device, non_blocking=True)
            for tensor in (read.images, read.regions, *read.along)
        )
        images = images.float()
        places = _grid(along, self.dimensions) if along else None
        if shrink > 1:
            average = AVERAGE[self.dimensions]
            images = average(images, shrink)
            regions = LARGEST[self.dimensions](regions.float(), shrink)
            places = None if places is None else average(places, shrink)
        return Batch(images, regions >= INSIDE, regions >= LESION, places)


def _grid(along: Sequence[Tensor], dimensions: int) -> Tensor:
    """Return places, shape (n, 3, ...), of those along each axis."""
    shape = [len(along[0]), *(line.shape[1] for line in along)]
    lines = [
        line.reshape([shape[0], *(-1 if other == axis else 1 for other in range(3))])
        for axis, line in enumerate(along)
    ]
    grid = torch.stack([line.expand(shape) for line in lines], dim=1)
    return grid if dimensions == 3 else grid[:, :, 0]
