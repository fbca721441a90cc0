"""The blur and noise that end a generator's way back to a site, measured before the training."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from harmonize_kit.translation.blur_and_noise import NARROWEST, REACH, BlurAndNoise


class Degradation(nn.Module):
    """A Gaussian point spread in the plane of slices, and white noise.

    Parameters
    ----------
    channels : int

    Attributes
    ----------
    blur, noise : Tensor, shape (c,)
        Standard deviations in voxels and in units of intensity, of each modality. They are stored
        with the weights and are 0 until :meth:`fit`.
    """

    blur: Tensor
    noise: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("blur", torch.zeros(channels))
        self.register_buffer("noise", torch.zeros(channels))

    def fit(self, found: tuple[BlurAndNoise, ...]) -> None:
        """Take over what was measured, a modality each."""
        self.blur.copy_(torch.tensor([one.blur for one in found]))
        self.noise.copy_(torch.tensor([one.noise for one in found]))

    def told(self) -> dict[str, list[float]]:
        """Return both as plain values."""
        sizes = {"blur_voxels": self.blur, "noise": self.noise}
        return {name: [float(one) for one in each] for name, each in sizes.items()}

    def blurred(self, images: Tensor, mask: Tensor, shrink: int = 1) -> Tensor:
        """Return images blurred inside the mask, where only what lies inside is mixed.

        Parameters
        ----------
        images : Tensor, shape (n, c, y, x)
        mask : Tensor of bool, shape (n, 1, y, x)
        shrink : int
            How many voxels a side were averaged into one.
        """
        # Sums of weights have no place in 16 bits.
        with torch.autocast(images.device.type, enabled=False):
            x = torch.arange(-REACH, REACH + 1, dtype=torch.float32, device=images.device)
            width = (self.blur / shrink).clamp(min=NARROWEST)
            line = torch.exp(-0.5 * (x / width[:, None]).square())
            kernel = (line[:, :, None] * line[:, None, :])[:, None]
            inside = mask.float().expand(-1, images.shape[1], -1, -1)
            sums, weights = (
                nn.functional.conv2d(part, kernel, padding=REACH, groups=images.shape[1])
                for part in (images.float() * inside, inside)
            )
            # A voxel inside weighs 1 itself, so that the clamp is for those outside.
            return torch.where(mask, (sums / weights.clamp(min=1)).to(images.dtype), images)

    def noisy(
        self, images: Tensor, mask: Tensor, draws: torch.Generator | None, shrink: int = 1
    ) -> Tensor:
        """Return images with noise inside the mask; the parameters are those of ``blurred``.

        The mean of ``shrink`` voxels a side has as many times less of it.
        """
        # One field for all images: several processes draw the same one, whatever their share.
        field = torch.randn(images.shape[1:], generator=draws, device=images.device)
        noise = (self.noise / shrink)[:, None, None] * field
        return torch.where(mask, images + noise.to(images.dtype), images)


def degradation_of(generator: nn.Module) -> Degradation | None:
    """Return what ends a generator, if anything does."""
    return cast("Degradation | None", getattr(generator, "degradation", None))
