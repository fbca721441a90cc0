"""The change of a whole volume, gathered from its slices and smooth along them."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonize_kit.config.translation import GeneratorConfig
from harmonize_kit.translation.generator import Change


class VolumeChange:
    """What a generator of slices changes in all slices of a volume.

    Each slice is translated without a look at the others, and what is found in it of the coil's
    gain is a little off, differently from slice to slice. The gain itself is as smooth along the
    slices as in them, so the average over neighbouring slices is nearer to it; of what is changed
    voxel by voxel only the next slices have something to tell.

    Parameters
    ----------
    config : GeneratorConfig
        Whose ``field_mm`` and ``detail_mm`` say how far averages reach.
    images : Tensor of float32, shape (c, z, y, x)
        The volume, z running along the slices.
    side : float
        From slice to slice, in mm.
    """

    def __init__(self, config: GeneratorConfig, images: Tensor, side: float) -> None:
        self.field, self.rest = config.field_mm / side, config.detail_mm / side
        self.images = images
        self.detail, self.gain, self.offset = (torch.zeros_like(images) for _ in range(3))

    def take(self, rows: Tensor, change: Change) -> None:
        """Keep the change of slices ``rows``, whose shapes are (n, c, y, x)."""
        self.detail[:, rows] = change.detail.float().transpose(0, 1)
        if change.gain is not None and change.offset is not None:
            self.gain[:, rows] = change.gain.float().transpose(0, 1)
            self.offset[:, rows] = change.offset.float().transpose(0, 1)

    def made(self, mask: Tensor) -> Tensor:
        """Return the volume changed inside ``mask``, a Tensor of bool of shape (z, y, x)."""
        # Sums over many slices have no place in 16 bits.
        with torch.autocast(self.images.device.type, enabled=False):
            weight = mask.float()[None]
            change = Change(
                along_slices(self.detail, weight, self.rest),
                along_slices(self.gain, weight, self.field),
                along_slices(self.offset, weight, self.field),
            )
            return torch.where(mask, change.made_of(self.images), self.images)


def along_slices(values: Tensor, weight: Tensor, width: float) -> Tensor:
    """Return averages along z with Gaussian weights, what lies outside of the mask left out.

    Parameters
    ----------
    values : Tensor, shape (c, z, y, x)
    weight : Tensor, shape (1, z, y, x)
        1 inside the mask, 0 elsewhere.
    width : float
        Standard deviation in slices; 0 returns the values as they are.
    """
    if width == 0:
        return values
    z = torch.arange(values.shape[1], dtype=values.dtype, device=values.device)
    near = torch.exp(-0.5 * ((z[:, None] - z) / width).square())
    # A voxel inside weighs 1 itself, so that the clamp is for those outside.
    total = torch.einsum("zk,ckyx->czyx", near, weight).clamp(min=1)
    return torch.einsum("zk,ckyx->czyx", near, values * weight) / total
