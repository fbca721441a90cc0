"""What becomes of noise on its way through a generator."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonize_kit.translation.consistency import distance
from harmonize_kit.translation.cyclegan import Batch, CycleGAN

# Of an image's standard deviation: about the noise of a T1-weighted head at 2 mm. Generators bend
# so little that the gain of a smaller or larger one is nearly the same.
SIZE = 0.15
# Of an image as flat as this in its mask there is nothing to be told.
FLAT = 1e-3


def noise_gain(
    networks: CycleGAN, x: Batch, made: Tensor, draws: torch.Generator | None = None
) -> Tensor:
    """Return the mean squared gain of white noise through the generator towards the reference.

    That is the mean of (G(x + n) - G(x))^2 / s^2 inside the mask, where n is white noise of
    standard deviation s; of a linear filter, the sum of its squared weights. What an adversary asks
    of a blurred and noisy image is a spectrum like that of a sharp one, and it is no matter to it
    whether anatomy or noise fills it; the error of the image has a part that is the variance of its
    noise times this gain. Weighing it lets a generator sharpen where there is anatomy to gain. For
    small noise it is Tikhonov's regularisation of the generator's slope (Bishop 1995, "Training
    with noise is equivalent to Tikhonov regularization").

    Parameters
    ----------
    networks : CycleGAN
    x : Batch
        Of a site other than the reference.
    made : Tensor, shape (n, c, ...)
        What the generator makes of ``x``.
    draws : torch.Generator, optional
        Of the device of ``x``; None is torch's own.
    """
    own = networks.middle(x.images)
    size = SIZE * _spread(own, x.mask)
    # One field for all images: several processes draw the same one, whatever their share of them.
    field = torch.randn(
        x.images.shape[1:], generator=draws, device=x.images.device, dtype=x.images.dtype
    )
    noise = size * field * x.mask
    noisy = networks.make(networks.forwards, x.images + noise, x)
    return distance(noisy / size, made / size, x.mask, "squared")


def _spread(images: Tensor, mask: Tensor) -> Tensor:
    """Return the standard deviation inside the mask, shape (n, 1, ...)."""
    axes = tuple(range(1, images.ndim))
    count = (mask.sum(axes, keepdim=True) * images.shape[1]).clamp(min=1)
    mean = (images * mask).sum(axes, keepdim=True) / count
    apart = ((images - mean) * mask).square().sum(axes, keepdim=True) / count
    return apart.sqrt().clamp(min=FLAT)
