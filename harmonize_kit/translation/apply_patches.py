"""A volume translated patch by patch, the patches overlapping and put together again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.translation.places import Box, head_box, places_along, places_on

# Standard deviation of the weight of a patch's voxels, in its sides (Isensee et al. 2021).
WIDTH = 0.125
Start = tuple[int, int, int]


def patch_by_patch(
    generator: nn.Module,
    config: GeneratorConfig,
    images: NDArray[np.float32],
    mask: NDArray[np.bool_],
    side: int,
    batch: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Return the images of a volume translated inside the mask, shape (c, z, y, x).

    Patches overlap by half. Where they do, they are averaged, the middle of a patch counting more
    than its rim, where the network sees less of the surroundings (a Gaussian, as nnU-Net weighs
    them: Isensee et al., Nat Methods 18, 203, 2021).

    Parameters
    ----------
    generator : Module
        Of patches.
    config : GeneratorConfig
    images : ndarray of float32, shape (c, z, y, x)
    mask : ndarray of bool, shape (z, y, x)
        Patches that show nothing of it are left out.
    side : int
        Voxels a side of a patch, a multiple of 4; volumes that are smaller are padded.
    batch : int
        Patches at once.
    device : torch.device
    """
    around = [(max(0, side - n) // 2, -(-max(0, side - n) // 2)) for n in mask.shape]
    whole = np.pad(mask, around)
    shown = torch.from_numpy(np.pad(images, [(0, 0), *around])).to(device)  # pyright: ignore[reportUnknownMemberType]
    inside = torch.from_numpy(whole).to(device)  # pyright: ignore[reportUnknownMemberType]
    box, weights = head_box(whole), _weights(side).to(device)
    total, weight = torch.zeros_like(shown), torch.zeros(whole.shape, device=shown.device)
    for starts in _batches(_starts(whole, side), batch):
        spans = [tuple(slice(n, n + side) for n in start) for start in starts]
        told: list[Tensor] = []
        if config.coordinates:
            told = [torch.as_tensor(np.stack([_places(box, one) for one in spans])).to(device)]
        seen = torch.stack([shown[(slice(None), *one)] for one in spans])
        made = generator(seen, torch.stack([inside[one] for one in spans])[:, None], *told)
        for one, patch in zip(spans, made.float(), strict=True):
            total[(slice(None), *one)] += weights * patch
            weight[one] += weights
    found = torch.where(inside, total / weight.clamp(min=torch.finfo(weight.dtype).tiny), shown)
    cut = tuple(
        slice(before, before + n) for (before, _), n in zip(around, mask.shape, strict=True)
    )
    return found[(slice(None), *cut)].cpu().numpy()


def _places(box: Box, spans: tuple[slice, ...]) -> NDArray[np.float32]:
    return places_on([
        places_along(box, axis, span.start, span.stop) for axis, span in enumerate(spans)
    ])  # fmt: skip


def _starts(mask: NDArray[np.bool_], side: int) -> list[Start]:
    """Return the first voxels of patches that cover the mask, evenly spread along each axis."""
    along: list[list[int]] = []
    for length in mask.shape:
        room = length - side
        count = -(-room // max(1, side // 2))
        along.append([round(n * room / max(1, count)) for n in range(count + 1)])
    return [
        (z, y, x)
        for z, y, x in product(*along)
        if mask[z : z + side, y : y + side, x : x + side].any()
    ]


def _batches(starts: list[Start], size: int) -> Iterator[list[Start]]:
    for first in range(0, len(starts), size):
        yield starts[first : first + size]


def _weights(side: int) -> Tensor:
    from_middle = (torch.arange(side) + 0.5 - side / 2) / (side * WIDTH)
    line = torch.exp(-0.5 * from_middle.square())
    return line[:, None, None] * line[:, None] * line
