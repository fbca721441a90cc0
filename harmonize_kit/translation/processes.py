"""Several processes that train as one, as torchrun starts them."""

# torch's own types of its collectives are partly unknown.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def place() -> tuple[int, int]:
    """Return which of how many processes this is."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def average_over_processes(gradients: Sequence[Tensor]) -> None:
    """Replace gradients by their mean over all processes, in one message.

    Every loss is a mean over images, so this is the gradient of a batch of all processes' images.
    """
    _, world = place()
    if world == 1:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    start = 0
    for gradient in gradients:
        part = flat[start : start + gradient.numel()]
        gradient.copy_(part.reshape(gradient.shape) / world)
        start += gradient.numel()
