"""The blur and noise that end a generator's way back to a site, measured before the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harmonize_kit.translation.draws import normal_each

if TYPE_CHECKING:
    from harmonize_kit.translation.blur_and_noise import BlurAndNoise

# A kernel reaches so many voxels, where a point spread of 1.5 voxels has fallen to 4 %.
REACH = 4
# Waves that the kernel is summed of.
WAVES = 64


class Degradation(nn.Module):
    """A Gaussian point spread in the plane of slices, and white noise.

    Parameters
    ----------
    channels : int
        Modalities.

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
        """Take over what was measured, c of them, a modality each."""
        self.blur.copy_(torch.tensor([one.blur for one in found]))
        self.noise.copy_(torch.tensor([one.noise for one in found]))

    def told(self) -> dict[str, list[float]]:
        """Return ``blur_voxels`` and ``noise`` of each modality as plain values."""
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
        kernel = self._kernel(shrink)
        inside = mask.float()
        sums = _along(_along(images.float() * inside, kernel, 2), kernel, 3)
        weights = _along(_along(inside.expand_as(images), kernel, 2), kernel, 3)
        # A voxel inside weighs 1 itself, and its neighbours little less than nothing at worst: the
        # clamp is for those outside.
        return torch.where(mask, (sums / weights.clamp(min=0.5)).to(images.dtype), images)

    def _kernel(self, shrink: int) -> Tensor:
        """Return the kernel of each modality, shape (c, 2 * REACH + 1), 1 in the middle.

        It is summed of the waves that a Gaussian leaves. One that is merely sampled loses its width
        below half a voxel, and so would the blur of images that were shrunk.
        """
        variance = (self.blur / shrink).square()[:, None, None]
        waves = (2 * torch.arange(WAVES, device=self.blur.device) / WAVES - 1) * torch.pi
        away = torch.arange(-REACH, REACH + 1, device=self.blur.device)[:, None]
        left = torch.exp(-0.5 * variance * waves.square())
        kernel = (left * (waves * away).cos()).mean(-1)
        return kernel / kernel[:, REACH : REACH + 1]

    def noisy(
        self, images: Tensor, mask: Tensor, draws: torch.Generator | None, shrink: int = 1
    ) -> Tensor:
        """Return images with noise inside the mask, each with its own.

        The mean of ``shrink`` voxels a side has as many times less of it.

        Parameters
        ----------
        images, mask, shrink
            As of :meth:`blurred`.
        draws : torch.Generator, optional
            Of the device of the images; None is torch's own.
        """
        drawn = normal_each(tuple(images.shape), draws, images.device)
        noise = (self.noise / shrink)[:, None, None] * drawn
        return torch.where(mask, images + noise.to(images.dtype), images)


def degradation_of(generator: nn.Module) -> Degradation | None:
    """Return what ends a generator, if anything does."""
    found = getattr(generator, "degradation", None)
    return found if isinstance(found, Degradation) else None


def _along(images: Tensor, kernel: Tensor, axis: int) -> Tensor:
    """Return images (n, c, y, x) folded with the kernel of each modality along y or x.

    By sums, since a GPU's convolution may round to fewer bits.
    """
    size, ends = images.shape[axis], [0, 0, 0, 0]
    ends[2 * (3 - axis)] = ends[2 * (3 - axis) + 1] = REACH
    padded = nn.functional.pad(images, ends)
    shape = (1, -1, 1, 1)
    parts = [
        kernel[:, place].reshape(shape) * padded.narrow(axis, place, size)
        for place in range(2 * REACH + 1)
    ]
    return torch.stack(parts).sum(0)
