"""A generator's body with connections across at every scale."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.translation.layers import (
    CONVOLUTION,
    DOWNSAMPLINGS,
    TRANSPOSED,
    SelfAttention,
)

SLOPE = 0.2


class UNet(nn.Module):
    """Residual blocks at the lower scales, handed over to the way up; no feature is normalised.

    Instance norm takes out the mean of every feature, and with it the brightness that differs
    between scanners; where the images come in normalised already, it is of no use here. Most of the
    work is done at half and a quarter of the resolution, where a voxel costs a fourth and a
    sixteenth and sees more; at full resolution are the stem and one convolution.
    """

    kernel: ClassVar = 3
    """Voxels a side that the convolution sees which makes an image of the features."""

    def __init__(self, config: GeneratorConfig, inputs: int) -> None:
        super().__init__()
        n, f = config.dimensions, config.features
        widths = [f * 2**level for level in range(DOWNSAMPLINGS + 1)]
        self.stem = _convolved(n, inputs, f)
        self.down = nn.ModuleList(
            nn.Sequential(_convolved(n, few, many, stride=2), _blocks(n, many, config.blocks))
            for few, many in pairwise(widths)
        )
        self.attention = SelfAttention(n, widths[-1]) if config.attention else nn.Identity()
        self.rise = nn.ModuleList(
            _rise(n, many, few, config.upsampling) for few, many in pairwise(widths)
        )
        self.up = nn.ModuleList(
            _blocks(n, width, config.blocks) if level else _convolved(n, width, width)
            for level, width in enumerate(widths[:-1])
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at the resolution of ``x`` (n, k, ...), and at the lowest."""
        x = self.stem(x)
        skipped: list[Tensor] = []
        for down in self.down:
            skipped.append(x)
            x = down(x)
        coarse = x = self.attention(x)
        for level in reversed(range(DOWNSAMPLINGS)):
            x = self.up[level](self.rise[level](x) + skipped[level])
        return x, coarse


class _Block(nn.Module):
    """Two convolutions whose outcome is added to what came in (He et al. 2016)."""

    def __init__(self, dimensions: int, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolved(dimensions, features, features),
            CONVOLUTION[dimensions](features, features, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _convolved(dimensions: int, inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    # Zeros beyond the border are what is there: heads lie before nothing.
    convolution = CONVOLUTION[dimensions](inputs, outputs, 3, stride, padding=1)
    return nn.Sequential(convolution, nn.LeakyReLU(SLOPE, inplace=True))


def _blocks(dimensions: int, features: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(dimensions, features) for _ in range(count)))


def _rise(dimensions: int, inputs: int, outputs: int, kind: str) -> nn.Module:
    """Return a layer that doubles the size; what is resized is convolved in the block after it."""
    if kind == "transposed":
        return TRANSPOSED[dimensions](inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(CONVOLUTION[dimensions](inputs, outputs, 1), nn.Upsample(scale_factor=2))
