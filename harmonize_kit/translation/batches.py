"""Batches of images from a store: read ahead, cropped, mirrored, and on their device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harmonize_kit.config.translation import TrainingConfig
from harmonize_kit.translation.cyclegan import Batch
from harmonize_kit.translation.matching import Drawn, Matching
from harmonize_kit.translation.store import INSIDE, LESION

# Separates the draws of crops from those of slices.
CROPS = 7_919
Pair = tuple[Batch, Batch]
Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]


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
    """

    def __init__(
        self,
        matching: Matching,
        config: TrainingConfig,
        neighbours: int,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.matching = matching
        self.config = config
        self.neighbours = neighbours
        self.device = device
        self.own = slice(rank * config.batch, (rank + 1) * config.batch)
        self.total = world * config.batch
        self._pool = ThreadPoolExecutor(1)
        self._ahead: dict[tuple[str, int, int], Future[tuple[Arrays, Arrays]]] = {}

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

    def _read(self, site: str, step: int, part: int) -> tuple[Arrays, Arrays]:
        theirs, ours = self.matching.draw(site, step, part, self.total)
        rng = np.random.default_rng([self.config.seed, CROPS, step, part])
        return self._slices(theirs, rng), self._slices(ours, rng)

    def _slices(self, drawn: Drawn, rng: np.random.Generator) -> Arrays:
        images: list[NDArray[np.float16]] = []
        regions: list[NDArray[np.uint8]] = []
        crop = self.config.crop
        for place, (case, number) in enumerate(drawn):
            # Chance is drawn for the whole batch, whichever part of it is this process's.
            where, mirrored = rng.random(2), bool(rng.random() < 0.5)
            if place not in range(self.own.start, self.own.stop):
                continue
            region = self.matching.store.masks[case.first + number]
            image = self.matching.store.seen(case, number, self.neighbours)
            if crop is not None:
                rows, columns = crop_in(region >= INSIDE, crop, where)
                image, region = image[:, rows, columns], region[rows, columns]
            if mirrored and self.config.flip:
                image, region = image[..., ::-1], region[..., ::-1]
            images.append(image)
            regions.append(region)
        return np.stack(images).astype(np.float32), np.stack(regions)[:, None].astype(np.float32)

    def _on_device(self, arrays: Arrays, shrink: int) -> Batch:
        image, region = (self._move(array) for array in arrays)
        if shrink > 1:
            image = nn.functional.avg_pool2d(image, shrink)
            region = nn.functional.max_pool2d(region, shrink)
        lesion = region >= LESION
        return Batch(image, region >= INSIDE, lesion)

    def _move(self, array: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(array)  # pyright: ignore[reportUnknownMemberType]
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)


def crop_in(
    inside: NDArray[np.bool_], size: int, where: Sequence[float] | NDArray[np.float64]
) -> tuple[slice, slice]:
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
