"""A generator's body with connections across at every scale."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.translation.layers import (
    CONVOLUTION,
    DOWNSAMPLINGS,
    ResidualBlock,
    SelfAttention,
    reflected,
    upsampling,
)


class UNet(nn.Module):
    """Residual blocks at three scales, each handed over to the way up; no feature is normalised.

    Instance norm takes out the mean of every feature, and with it the brightness that differs
    between scanners; where the images come in normalised already, it is of no use here.
    """

    def __init__(self, config: GeneratorConfig, inputs: int) -> None:
        super().__init__()
        n, f = config.dimensions, config.features
        self.stem = nn.Sequential(reflected(n, inputs, f, 3), nn.PReLU(f))
        widths = [f * 2**level for level in range(DOWNSAMPLINGS + 1)]
        self.scales = nn.ModuleList(self._blocks(n, width, config.blocks) for width in widths)
        self.attention = SelfAttention(n, widths[-1]) if config.attention else nn.Identity()
        self.lower = nn.ModuleList(
            nn.Sequential(
                CONVOLUTION[n](few, many, 3, stride=2, padding=1), nn.PReLU(many)
            )
            for few, many in pairwise(widths)
        )  # fmt: skip
        self.rise = nn.ModuleList(
            upsampling(n, many, few, config.upsampling) for few, many in pairwise(widths)
        )
        self.join = nn.ModuleList(
            nn.Sequential(
                CONVOLUTION[n](2 * width, width, 1),
                nn.PReLU(width),
                self._blocks(n, width, config.blocks),
            )
            for width in widths[:-1]
        )

    @staticmethod
    def _blocks(dimensions: int, features: int, count: int) -> nn.Sequential:
        return nn.Sequential(
            *(ResidualBlock(dimensions, features, norm=False) for _ in range(count))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at the resolution of ``x`` (n, k, ...), and at the lowest."""
        x = self.scales[0](self.stem(x))
        skipped: list[Tensor] = []
        for lower, scale in zip(self.lower, self.scales[1:], strict=True):
            skipped.append(x)
            x = scale(lower(x))
        coarse = x = self.attention(x)
        for level in reversed(range(DOWNSAMPLINGS)):
            x = self.join[level](torch.cat([self.rise[level](x), skipped[level]], dim=1))
        return x, coarse
