"""Generators: from an image of one site to the same head as another site would show it.

Both kinds give features at the image's resolution and, for the smooth field, at the lowest; the
head makes an image of them. Shapes: n images, c channels (modalities), k input channels (c times
the slices seen), then (y, x) or (z, y, x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.degradation import Degradation
from harmonize_kit.translation.layers import (
    CONVOLUTION,
    DOWNSAMPLINGS,
    reflected,
    with_places,
)
from harmonize_kit.translation.places import PLACES
from harmonize_kit.translation.resnet import ResNet
from harmonize_kit.translation.unet import UNet

SIZE_MULTIPLE = 2**DOWNSAMPLINGS


@dataclass(frozen=True)
class Change:
    """What a residual head changes, each of shape (n, c, ...).

    Parameters
    ----------
    detail : Tensor
        Added voxel by voxel.
    gain, offset : Tensor, optional
        Of a smooth field: what is added for every unit of intensity, and whatever there is.
    """

    detail: Tensor
    gain: Tensor | None = None
    offset: Tensor | None = None

    def made_of(self, own: Tensor) -> Tensor:
        """Return images changed so."""
        if self.gain is None or self.offset is None:
            return own + self.detail
        return own + (self.detail + self.gain * own + self.offset)


class Generator(nn.Module):
    """A generator with its head; see :class:`~harmonize_kit.config.translation.GeneratorConfig`.

    Parameters
    ----------
    config : GeneratorConfig
    degraded : bool
        Whether what it makes is to be blurred by its ``degradation`` afterwards, which is that of
        whole slices and none of the network's business.

    Notes
    -----
    Outside of the mask the output is the input, bit by bit, by construction rather than by a
    penalty. With the residual head the last layers start at zero, so that at the start the output
    is the input everywhere.
    """

    def __init__(self, config: GeneratorConfig, *, degraded: bool = False) -> None:
        super().__init__()
        self.config = config
        self.degradation = Degradation(config.channels) if degraded else None
        seen = config.channels * (2 * config.neighbours + 1)
        inputs = seen + PLACES * config.coordinates
        make = ResNet if config.architecture == "resnet" else UNet
        self.body = make(config, inputs)
        self.last = reflected(config.dimensions, config.features, config.channels, self.body.kernel)
        self.field: nn.Module | None = None
        if config.smooth_field:
            deepest = config.features * SIZE_MULTIPLE
            self.field = CONVOLUTION[config.dimensions](deepest, 2 * config.channels, 1)
        if config.head == "residual":
            for layer in (self.last[-1], self.field):
                if layer is not None:
                    nn.init.zeros_(cast(Tensor, layer.weight))
                    nn.init.zeros_(cast(Tensor, layer.bias))

    def forward(
        self, x: Tensor, mask: Tensor | None = None, places: Tensor | None = None
    ) -> Tensor:
        """Return images of shape (n, c, ...) for ``x`` of shape (n, k, ...).

        ``mask``, shape (n, 1, ...), is true where an image may change; None is everywhere.
        ``places``, shape (n, 3, ...), see :mod:`.places`, are for a network whose configuration
        says ``coordinates``.

        Raises
        ------
        ConfigError
            If ``x`` has another number of channels, or sizes the network cannot halve twice, or
            places are wanted and not told.
        """
        self._check(x)
        own = self.middle(x)
        if self.config.head == "direct":
            fine, _ = self.body(self._told(x, places))
            made = torch.tanh(self.last(fine))
        else:
            made = self.change(x, places).made_of(own)
        made = made.to(own.dtype)
        return made if mask is None else torch.where(mask, made, own)

    def middle(self, x: Tensor) -> Tensor:
        """Return the slices that are changed, shape (n, c, ...), of those that are seen."""
        c, centre = self.config.channels, self.config.neighbours
        return x[:, centre * c : (centre + 1) * c]

    def change(self, x: Tensor, places: Tensor | None = None) -> Change:
        """Return what the residual head changes, before it is added; as :meth:`forward` else."""
        fine, coarse = self.body(self._told(x, places))
        detail = self.last(fine)
        if self.field is None:
            return Change(detail)
        mode = "bilinear" if self.config.dimensions == 2 else "trilinear"
        smooth = nn.functional.interpolate(
            self.field(coarse), size=x.shape[2:], mode=mode, align_corners=False
        )
        gain, offset = smooth.chunk(2, dim=1)
        return Change(detail, 0.5 * torch.tanh(gain), offset)

    def _told(self, x: Tensor, places: Tensor | None) -> Tensor:
        return with_places(x, places) if self.config.coordinates else x

    def _check(self, x: Tensor) -> None:
        expected = self.config.channels * (2 * self.config.neighbours + 1)
        if x.ndim != self.config.dimensions + 2 or x.shape[1] != expected:
            raise ConfigError(
                f"expected images of shape (n, {expected}, ...) with {self.config.dimensions} "
                f"spatial axes, got {tuple(x.shape)}"
            )
        if any(size % SIZE_MULTIPLE for size in x.shape[2:]):
            raise ConfigError(
                f"expected sizes that are multiples of {SIZE_MULTIPLE}, got {tuple(x.shape[2:])}; "
                "pad the images and crop them back"
            )
