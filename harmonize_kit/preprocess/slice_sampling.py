"""Which slices of a stack are worth training on."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ConfigError
from harmonize_kit.preprocess.slices import AxialStack

_LEVELS = 64


def mask_shares(stack: AxialStack) -> NDArray[np.float64]:
    """Return the share of each slice that lies in the mask, shape (n,); without a mask, all is."""
    if stack.mask is None:
        return np.ones(len(stack))
    return stack.mask.mean(axis=(1, 2), dtype=np.float64)


def entropies(stack: AxialStack) -> NDArray[np.float64]:
    """Return the entropy of the intensities in each slice's mask in bits, shape (n,).

    Over 64 grey levels from the 1st to the 99th percentile of the whole mask, the mean of all
    modalities; 0 for a slice of one intensity, or none.
    """
    found = np.zeros(len(stack))
    for image in stack.images.values():
        inside = np.ones(image.shape, bool) if stack.mask is None else stack.mask
        inside = inside & np.isfinite(image)
        if not inside.any():
            continue
        low, high = np.percentile(image[inside].astype(np.float64), (1, 99))
        if not high > low:
            continue
        for place in range(len(stack)):
            values = np.clip(image[place][inside[place]].astype(np.float64), low, high)
            counts = np.histogram(values, bins=_LEVELS, range=(low, high))[0]
            shares = counts[counts > 0] / max(1, counts.sum())
            found[place] += float(-(shares * np.log2(shares)).sum())
    return np.abs(found) / len(stack.images)


def slice_weights(
    stack: AxialStack, by: Literal["share", "entropy", "same"] = "share", least: float = 0.02
) -> NDArray[np.float64]:
    """Return how likely each slice is to be drawn, shape (n,), adding up to 1.

    Parameters
    ----------
    stack : AxialStack
    by : {"share", "entropy", "same"}
        By the share of the slice that lies in the mask, by the entropy of its intensities, or all
        that are drawn at all alike.
    least : float
        Slices with a smaller share of mask are never drawn: at the ends of a head there is little
        but noise to learn.

    Raises
    ------
    ConfigError
        If no slice has that much, or ``by`` is unknown.
    """
    shares = mask_shares(stack)
    if by not in ("share", "entropy", "same"):
        raise ConfigError(f"expected slices drawn by share, entropy or same, got '{by}'")
    measure = {"share": lambda: shares, "entropy": lambda: entropies(stack)}
    weights = np.where(shares >= least, measure.get(by, lambda: np.ones(len(stack)))(), 0.0)
    if not weights.sum() > 0:
        raise ConfigError(
            f"expected at least one slice with a share of {least:g} in the mask, got a largest "
            f"share of {shares.max(initial=0):.3g}; lower 'least'"
        )
    return weights / weights.sum()


def sample_slices(weights: NDArray[np.float64], count: int, seed: int) -> NDArray[np.intp]:
    """Return ``count`` different slices drawn with the given weights, in order, shape (count,).

    Each draw takes what is left in proportion to the weights (Efraimidis & Spirakis, Inf Process
    Lett 97, 181, 2006); slices of weight 0 are never drawn, so there may be fewer.
    """
    if count < 0:
        raise ConfigError(f"expected a count of 0 or more slices, got {count}")
    chosen = np.flatnonzero(weights > 0)
    keys = np.log(np.random.default_rng(seed).random(len(weights)))[chosen] / weights[chosen]
    return np.sort(chosen[np.argsort(-keys, kind="stable")[:count]])
