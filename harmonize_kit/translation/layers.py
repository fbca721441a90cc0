"""The layers both networks are made of, for slices (two dimensions) and patches (three)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.places import PLACES

CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
REFLECTION = {2: nn.ReflectionPad2d, 3: nn.ReflectionPad3d}
INSTANCE_NORM = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}

# How often a generator halves the size before its residual blocks.
DOWNSAMPLINGS = 2


def reflected(dimensions: int, inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Return a convolution that keeps the size, the border mirrored rather than made zero."""
    return nn.Sequential(
        REFLECTION[dimensions](kernel // 2), CONVOLUTION[dimensions](inputs, outputs, kernel)
    )


def normalised(dimensions: int, convolution: nn.Module, features: int) -> nn.Sequential:
    """Return ``convolution`` with instance norm and a PReLU whose slope each channel learns."""
    return nn.Sequential(convolution, INSTANCE_NORM[dimensions](features), nn.PReLU(features))


def upsampling(dimensions: int, inputs: int, outputs: int, kind: str) -> nn.Module:
    """Return a layer that doubles the size: transposed, or resized and convolved."""
    if kind == "transposed":
        return TRANSPOSED[dimensions](inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(nn.Upsample(scale_factor=2), reflected(dimensions, inputs, outputs, 3))


class ResidualBlock(nn.Module):
    """Two convolutions whose outcome is added to what came in (He et al. 2016)."""

    def __init__(self, dimensions: int, features: int) -> None:
        super().__init__()
        first = reflected(dimensions, features, features, 3)
        second = reflected(dimensions, features, features, 3)
        self.body = nn.Sequential(
            normalised(dimensions, first, features), second, INSTANCE_NORM[dimensions](features)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the shape of ``x``, (n, features, ...)."""
        return x + self.body(x)


class SelfAttention(nn.Module):
    """Every place looks at every other; it starts at no change (Zhang et al. 2019)."""

    def __init__(self, dimensions: int, features: int) -> None:
        super().__init__()
        self.inner = max(1, features // 8)
        self.query_key_value = CONVOLUTION[dimensions](features, 2 * self.inner + features, 1)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the shape of ``x``, (n, features, ...)."""
        places = self.query_key_value(x).flatten(2).transpose(1, 2)  # (n, places, ...)
        query, key, value = places.split([self.inner, self.inner, x.shape[1]], dim=-1)
        seen = nn.functional.scaled_dot_product_attention(query, key, value)
        return x + self.share * seen.transpose(1, 2).reshape(x.shape)


def with_places(x: Tensor, places: Tensor | None) -> Tensor:
    """Return ``x``, shape (n, c, ...), with the places of its voxels, (n, 3, ...), as channels.

    Raises
    ------
    ConfigError
        If the places were not told, or are those of another grid.
    """
    expected = (len(x), PLACES, *x.shape[2:])
    if places is None or places.shape != expected:
        raise ConfigError(
            f"expected the places of all voxels, shape {expected}, since the network's "
            f"configuration says coordinates: true, got "
            f"{'none' if places is None else tuple(places.shape)}"
        )
    return torch.cat([x, places.to(x.dtype)], dim=1)
