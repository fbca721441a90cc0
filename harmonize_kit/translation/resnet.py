"""The body of the published CycleGAN's generator."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.translation.layers import (
    CONVOLUTION,
    DOWNSAMPLINGS,
    ResidualBlock,
    SelfAttention,
    normalised,
    reflected,
    upsampling,
)


class ResNet(nn.Module):
    """The generator of Zhu et al. (2017): c7s1-f, d2f, d4f, residual blocks, u2f, uf."""

    kernel: ClassVar = 7
    """Voxels a side that the convolution sees which makes an image of the features."""

    def __init__(self, config: GeneratorConfig, inputs: int) -> None:
        super().__init__()
        n, f = config.dimensions, config.features
        down = [normalised(n, reflected(n, inputs, f, 7), f)]
        for level in range(DOWNSAMPLINGS):
            few, many = f * 2**level, f * 2 ** (level + 1)
            halving = CONVOLUTION[n](few, many, 3, stride=2, padding=1)
            down.append(normalised(n, halving, many))
        deepest = f * 2**DOWNSAMPLINGS
        middle: list[nn.Module] = [ResidualBlock(n, deepest) for _ in range(config.blocks)]
        if config.attention:
            middle.insert(len(middle) // 2, SelfAttention(n, deepest))
        up: list[nn.Module] = []
        for level in reversed(range(DOWNSAMPLINGS)):
            few, many = f * 2**level, f * 2 ** (level + 1)
            up.append(normalised(n, upsampling(n, many, few, config.upsampling), few))
        self.down, self.middle, self.up = (nn.Sequential(*part) for part in (down, middle, up))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at the resolution of ``x`` (n, k, ...), and at the lowest."""
        coarse = self.middle(self.down(x))
        return self.up(coarse), coarse
