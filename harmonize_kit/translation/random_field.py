"""Smooth gains laid over images, as coils and the way a head lies in them do."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonize_kit.translation.augmentation import powers
from harmonize_kit.translation.augmentation_intensity import fields, ranges
from harmonize_kit.translation.draws import normal_each


def shaded(
    images: Tensor, mask: Tensor, spread: float, draws: torch.Generator | None = None
) -> Tensor:
    """Return images under a random smooth gain each, whose mean inside the mask is 1.

    The logarithm of the gain is a cubic polynomial over what is shown, from -1 to 1 along each
    axis. It multiplies intensities above the lowest inside the mask, since in normalised images
    zero is no absence of signal. Outside of the mask nothing changes.

    Parameters
    ----------
    images : Tensor, shape (n, c, ...)
    mask : Tensor of bool, shape (n, 1, ...)
    spread : float
        Standard deviation of the polynomial's coefficients.
    draws : torch.Generator, optional
        Of the device of the images; None is torch's own.
    """
    n, c = images.shape[:2]
    drawn = normal_each((n, c, len(powers(images.ndim - 2))), draws, images.device)
    # Sums of many terms have no place in 16 bits.
    with torch.autocast(images.device.type, enabled=False):
        gain = fields(spread * drawn, images.shape[2:])
    inside, one = mask.to(gain.dtype), [1] * (images.ndim - 2)
    mean = (gain * inside).flatten(2).sum(2) / inside.flatten(2).sum(2).clamp(min=1)
    gain = gain / mean.masked_fill(mean == 0, 1).reshape(n, c, *one)
    low = ranges(images, mask)[0].reshape(n, c, *one)
    return torch.where(mask, ((images - low) * gain + low).to(images.dtype), images)
