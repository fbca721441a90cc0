"""Intensities of slices and patches changed on their device: a smooth gain, and an exponent."""

from __future__ import annotations

import torch
from torch import Tensor

from harmonize_kit.translation.augmentation import Variation, powers


def recolour(images: Tensor, inside: Tensor, variation: Variation, own: slice) -> Tensor:
    """Return images whose modalities were shaded and given another contrast, each for itself.

    Intensities of a modality run from 0 to 1 over those of the slice that is changed inside its
    mask; they are multiplied by a field, taken to an exponent, and brought back to that range's
    scale. Neighbouring slices get the same. What is outside of the head stays exactly as it is.

    Parameters
    ----------
    images : Tensor, shape (n, slices * c, ...)
    inside : Tensor of bool, shape (n, 1, ...)
        The mask of the slice that is changed.
    variation : Variation
    own : slice
        Channels of that slice.
    """
    dimensions, channels = images.ndim - 2, own.stop - own.start
    slices, one = images.shape[1] // channels, [1] * (images.ndim - 2)
    low, width = ranges(images[:, own], inside)
    low, width, gamma = (
        values.repeat(1, slices).reshape(len(images), -1, *one)
        for values in (low, width, variation.log_gammas.exp())
    )
    scaled = (images - low) / width
    scaled = scaled * fields(variation.fields, images.shape[2:]).repeat(1, slices, *one)
    # Neighbours may lie below the range: the power of a negative number is that of its size.
    changed = scaled.sign() * scaled.abs() ** gamma * width + low
    # Of neighbours no mask is told; they are 0 outside of their own.
    head = torch.cat([
        images[:, : own.start] != 0, inside.expand(-1, channels, *[-1] * dimensions),
        images[:, own.stop :] != 0,
    ], dim=1)  # fmt: skip
    return torch.where(head & variation.recoloured.reshape(-1, 1, *one), changed, images)


def ranges(images: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest intensity inside the mask and how far it is to the highest, (n, c) each.

    Of an image that shows nothing these are 0 and 1.
    """
    # Filling with a number waits for no device, where choosing between it and a tensor would.
    low = images.masked_fill(~inside, torch.inf).flatten(2).amin(2)
    high = images.masked_fill(~inside, -torch.inf).flatten(2).amax(2)
    flat = ~(high > low)
    return low.masked_fill(flat, 0), (high - low).masked_fill(flat, 1)


def fields(coefficients: Tensor, size: torch.Size) -> Tensor:
    """Return gains, shape (n, c, ...): exponentials of polynomials from -1 to 1 along each axis."""
    device, dimensions = coefficients.device, len(size)
    lines = [(2 * torch.arange(length, device=device) + 1 - length) / length for length in size]
    grids = torch.meshgrid(*lines, indexing="ij")
    terms = [
        torch.stack([grid**n for grid, n in zip(grids, exponents, strict=True)]).prod(0)
        for exponents in powers(dimensions)
    ]
    return torch.einsum("nct,t...->nc...", coefficients, torch.stack(terms)).exp()
