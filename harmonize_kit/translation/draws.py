"""Chance within a step: the same however often a training was stopped, and however it is shared."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from harmonize_kit.translation.processes import place

# Separates these draws from those of slices, crops and variations.
DRAWS = 15_485_863


def draws_of(seed: int, step: int, device: torch.device) -> torch.Generator:
    """Return the draws of one step, the same however often a training was stopped before it."""
    (state,) = np.random.SeedSequence([seed, DRAWS, step]).generate_state(1)
    return torch.Generator(device).manual_seed(int(state))


def normal_each(
    shape: tuple[int, ...], draws: torch.Generator | None, device: torch.device
) -> Tensor:
    """Return standard normal numbers of ``shape`` (n, ...), of this process's n images.

    Together processes draw what one would draw for all their images. ``draws`` is of ``device``;
    None is torch's own.
    """
    rank, world = place()
    n, *rest = shape
    return torch.randn((world * n, *rest), generator=draws, device=device)[rank * n :][:n]
