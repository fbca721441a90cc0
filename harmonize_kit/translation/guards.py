"""What a translation did to an image: how much, of what kind, and to its lesions.

None of this needs the truth. It cannot say that a translation is right; it says when one did what a
change of scanner does not do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.guards import GuardConfig

# Bins of an intensity curve: equally many voxels each, so few voxels make few bins.
BINS, SMALLEST_BIN = 32, 50
SHELL_VOXELS = 3
# Change, in standard deviations, that is not worth asking what it is made of.
SMALLEST_CHANGE = 0.02
# Axes of a field that varies slowly: a polynomial of this degree in each coordinate.
DEGREE = 2
Image = NDArray[np.floating]


@dataclass(frozen=True)
class Flag:
    """A bound that was passed: which, by what, and a sentence."""

    measure: str
    value: float
    bound: float
    sentence: str


@dataclass(frozen=True)
class Guarded:
    """Measures of one modality of one translated image.

    Parameters
    ----------
    change : float
        Mean absolute change inside the mask, in standard deviations of the image before.
    explained : float
        Share of the squared change that curves by tissue and a slow field explain; 1 where nothing
        changed.
    spread : float or None
        Mean spread of several views, in the same units as the change.
    lesion_contrast, lesion_volume : float or None
        After, as a multiple of before; None without a lesion, or without contrast before.
    """

    change: float
    explained: float
    spread: float | None = None
    lesion_contrast: float | None = None
    lesion_volume: float | None = None

    def flags(self, config: GuardConfig) -> tuple[Flag, ...]:
        """Return the bounds that this image passes."""
        return tuple(self._passed(config))

    def _passed(self, config: GuardConfig) -> Iterator[Flag]:
        if self.change > config.change_at_most:
            yield Flag(
                "change", self.change, config.change_at_most,
                f"intensities changed by {self.change:.2f} standard deviations on average",
            )  # fmt: skip
        if self.change > SMALLEST_CHANGE and self.explained < config.explained_at_least:
            yield Flag(
                "explained", self.explained, config.explained_at_least,
                f"of the change, {self.explained:.0%} is a change of contrast or gain; the rest "
                "may be anatomy that was not there",
            )  # fmt: skip
        if self.spread is not None and self.spread > config.spread_at_most:
            yield Flag(
                "spread", self.spread, config.spread_at_most,
                f"several views of the same voxel differ by {self.spread:.2f} standard deviations",
            )  # fmt: skip
        for name in ("lesion_contrast", "lesion_volume"):
            value: float | None = getattr(self, name)
            low, high = getattr(config, name)
            if value is not None and not low <= value <= high:
                bound = low if value < low else high
                noun = name.replace("_", " ")
                yield Flag(name, value, bound, f"the {noun} became {value:.2f} of what it was")


def guard(
    before: Image,
    after: Image,
    mask: NDArray[np.bool_],
    tissues: NDArray[np.integer] | None = None,
    lesion: NDArray[np.bool_] | None = None,
    spread: Image | None = None,
) -> Guarded:
    """Measure what a translation did to one modality.

    Parameters
    ----------
    before, after : ndarray, shape (z, y, x)
    mask : ndarray of bool, shape (z, y, x)
    tissues : ndarray of int, shape (z, y, x), optional
        Class of each voxel, each with a curve of its own; without, one curve serves all.
    lesion : ndarray of bool, shape (z, y, x), optional
    spread : ndarray, shape (z, y, x), optional
        Of :class:`~harmonize_kit.translation.apply.Applied`.

    Returns
    -------
    Guarded
    """
    inside = before[mask].astype(np.float64)
    change = after[mask].astype(np.float64) - inside
    unit = _unit(inside)
    classes = np.zeros(len(inside), int) if tissues is None else tissues[mask]
    if lesion is not None:
        # A lesion is no tissue of the others, and may keep a curve of its own.
        classes = np.where(lesion[mask], classes.max(initial=0) + 1, classes)
    contrast = volume = None
    if lesion is not None and (lesion & mask).any():
        contrast, volume = _lesion_ratios(before, after, lesion & mask, mask)
    return Guarded(
        float(np.abs(change).mean()) / unit if len(change) else 0.0,
        explained_share(inside, change, classes, np.argwhere(mask)),
        None if spread is None else float(spread[mask].mean()) / unit,
        contrast,
        volume,
    )


def change_map(before: Image, after: Image, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what became of each voxel, in the units of :attr:`Guarded.change`, shape (z, y, x).

    ``(after - before) / SD(before inside the mask)``, and 0 outside of it. Its mean size inside the
    mask is that measure.

    Parameters
    ----------
    before, after : ndarray, shape (z, y, x)
    mask : ndarray of bool, shape (z, y, x)
    """
    found = np.zeros(mask.shape, np.float32)
    inside = before[mask].astype(np.float64)
    found[mask] = (after[mask] - inside) / _unit(inside)
    return found


def explained_share(
    intensity: NDArray[np.float64],
    change: NDArray[np.float64],
    classes: NDArray[np.integer],
    places: NDArray[np.integer],
) -> float:
    """Return the share of the squared change that contrast and gain explain.

    Contrast is any curve of the intensity, one a class: the mean change in each of up to 32 bins of
    equally many voxels. Gain and offset vary over the image as polynomials of second degree, fitted
    to what the curves leave. Both are generous, so that a low share means something.

    Parameters
    ----------
    intensity, change : ndarray, shape (n,)
        Of the voxels inside the mask.
    classes : ndarray of int, shape (n,)
    places : ndarray of int, shape (n, 3)
        Where they lie.
    """
    total = float(np.square(change).sum())
    if total == 0.0:
        return 1.0
    rest = change.copy()
    for label in np.unique(classes):
        own = np.flatnonzero(classes == label)
        order = own[np.argsort(intensity[own], kind="stable")]
        for part in np.array_split(order, max(1, min(BINS, len(own) // SMALLEST_BIN))):
            rest[part] -= rest[part].mean()
    field = _slow_terms(places)
    design = np.hstack([field, field * intensity[:, None]])
    rest -= design @ np.linalg.lstsq(design, rest, rcond=None)[0]
    return float(np.clip(1 - np.square(rest).sum() / total, 0, 1))


def _unit(inside: NDArray[np.float64]) -> float:
    return float(inside.std()) or 1.0


def _slow_terms(places: NDArray[np.integer]) -> NDArray[np.float64]:
    low, high = places.min(axis=0), places.max(axis=0)
    scaled = 2 * (places - low) / np.maximum(high - low, 1) - 1
    powers = [
        (a, b, c) for a in range(3) for b in range(3) for c in range(3) if a + b + c <= DEGREE
    ]
    return np.stack([np.prod(scaled ** np.array(power), axis=1) for power in powers], axis=1)


def _lesion_ratios(
    before: Image, after: Image, lesion: NDArray[np.bool_], mask: NDArray[np.bool_]
) -> tuple[float | None, float | None]:
    """Return contrast and volume after, as multiples of before.

    The volume is that of the voxels in the lesion and its shell which are nearer to the lesion's
    mean than to the shell's.
    """
    grown = ndimage.binary_dilation(lesion, iterations=SHELL_VOXELS) & mask
    shell = grown & ~lesion
    if not shell.any():
        return None, None
    found: list[tuple[float, int]] = []
    for image in (before, after):
        inner, outer = float(image[lesion].mean()), float(image[shell].mean())
        unit = float(image[mask].std()) or 1.0
        side = np.sign(inner - outer)
        stands_out = side * (image[grown] - 0.5 * (inner + outer)) > 0
        found.append(((inner - outer) / unit, int(stands_out.sum())))
    (contrast, volume), (contrast_after, volume_after) = found
    if abs(contrast) < 1e-6 or volume == 0:
        return None, None
    return contrast_after / contrast, volume_after / volume
