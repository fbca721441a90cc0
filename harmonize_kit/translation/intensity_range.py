"""The intensities that a head which paints anew can reach, and how they are fitted.

A tanh ends at -1 and 1. Published generators are trained on images scaled to that; here images keep
their scale, z-scores say, and the generator is told and asked for theirs in its own.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.translation.store import SliceStore

# Ends lie so much farther from the middle, since a tanh comes near them and never there.
MARGIN = 1.1


class InRange(nn.Module):
    """A generator that works between -1 and 1, for images of another range.

    Parameters
    ----------
    generator : Module
    config : GeneratorConfig
        Its own.

    Attributes
    ----------
    low, high : Tensor, shape (c,)
        Of each modality. They are stored with the weights; until :func:`fit_ranges` they are -1
        and 1. What an image shows beyond them is painted as what lies at them.
    """

    low: Tensor
    high: Tensor

    def __init__(self, generator: nn.Module, config: GeneratorConfig) -> None:
        super().__init__()
        self.generator = generator
        self.channels, self.slices = config.channels, 2 * config.neighbours + 1
        self.register_buffer("low", -torch.ones(config.channels))
        self.register_buffer("high", torch.ones(config.channels))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, places: Tensor | None = None
    ) -> Tensor:
        """Return images of shape (n, c, ...) for ``x`` of shape (n, k, ...), on its own scale.

        Outside of ``mask``, shape (n, 1, ...), they are those of ``x``, bit by bit.
        """
        shape = [1, -1, *[1] * (x.ndim - 2)]
        middle, half = (
            (side / 2).reshape(shape) for side in (self.high + self.low, self.high - self.low)
        )
        every = [1, self.slices, *[1] * (x.ndim - 2)]
        scaled = (x - middle.repeat(every)) / half.repeat(every)
        made = self.generator(scaled, mask, places) * half + middle
        first = self.slices // 2 * self.channels
        own = x[:, first : first + self.channels]
        return made if mask is None else torch.where(mask, made, own)


def fit_ranges(networks: nn.Module, store: SliceStore) -> None:
    """Let all :class:`InRange` of ``networks`` reach what the slices of ``store`` show.

    That is from the least to the greatest intensity of each modality at any site, and a tenth of
    half the way more at either end. Slices are read once, where there is one to be fitted.
    """
    found = [one for one in networks.modules() if isinstance(one, InRange)]
    if not found:
        return
    low, high = np.inf, -np.inf
    for case in store.cases:
        images = store.images[case.first : case.first + case.count]
        low = np.minimum(low, images.min(axis=(0, 2, 3)).astype(np.float64))
        high = np.maximum(high, images.max(axis=(0, 2, 3)).astype(np.float64))
    middle = (high + low) / 2
    # Of a modality that shows nothing, any range will do.
    half = MARGIN * np.maximum((high - low) / 2, 1e-3)
    for one in found:
        for buffer, end in ((one.low, middle - half), (one.high, middle + half)):
            buffer.copy_(torch.as_tensor(cast(np.ndarray, end)))
