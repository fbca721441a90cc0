"""Intensities as shades of grey, and a bias field as colours, in pictures a page can hold."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.sheets.planes import View, cut

_LOWER, _HIGHER = np.array([0, 114, 178]), np.array([213, 94, 0])  # Okabe & Ito: blue, vermillion
_SAMPLE = 200_000


@dataclass(frozen=True)
class Shaded:
    """A volume and how it is shown.

    Parameters
    ----------
    volume : Volume
    inside : ndarray of bool, shape (z, y, x)
        Its mask; without one, what is above its mean.
    values : ndarray, shape (n,)
        Finite intensities inside, evenly thinned where they are very many.
    low, high : float
        The intensities shown as black and as white.
    step : int
        One voxel in so many is among the values.
    cleared : bool
        Whether all outside the mask has one value, as after a skull strip.
    """

    volume: Volume
    inside: NDArray[np.bool_]
    values: NDArray[np.float64]
    low: float
    high: float
    step: int
    cleared: bool

    def cut(self, view: View, plane: str) -> NDArray[np.float64]:
        """Return a plane between black (0) and white (1), shape (rows, columns).

        Where an image was cleared outside its mask, that is black, though 0 may be a middling
        intensity by now.
        """
        geometry, mask = self.volume.geometry, self.volume.mask
        values = cut(self.volume.array, geometry, view, plane, outside=self.low)
        share = np.clip((values.astype(np.float64) - self.low) / (self.high - self.low), 0.0, 1.0)
        if mask is not None and self.cleared:
            share[cut(mask, geometry, view, plane, nearest=True) == 0] = 0.0
        return share


def shaded(volume: Volume) -> Shaded:
    """Return how a volume is shown: from the 0.5th to the 99.5th percentile inside its mask.

    Without a mask fat and vessels are inside too; then the 95th percentile is white, and the first
    of the whole image black.
    """
    inside = foreground(volume)
    values = _finite(volume.array[inside])
    if volume.mask is not None and values.size:
        low, high = (float(end) for end in np.percentile(values, (0.5, 99.5)))
    elif values.size:
        low = float(np.percentile(_finite(volume.array.ravel()), 1))
        high = float(np.percentile(values, 95))
    else:
        low, high = 0.0, 1.0
    cleared = False
    if volume.mask is not None and volume.mask.any():
        beyond = volume.array[~inside]
        cleared = beyond.size > 0 and bool((beyond == beyond[0]).all())
    step = _step(int(inside.sum()))
    return Shaded(volume, inside, values, low, high if high > low else low + 1.0, step, cleared)


def foreground(volume: Volume) -> NDArray[np.bool_]:
    """Return the mask of a volume, shape (z, y, x); without one, what is above its mean."""
    if volume.mask is not None and volume.mask.any():
        return volume.mask != 0
    return volume.array > float(_finite(volume.array.ravel()).mean())


def grey(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return shades from black (0) to white (1), shape (rows, columns)."""
    return np.rint(255 * share).astype(np.uint8)


def diverging(share: NDArray[np.floating], strength: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return blue below, white at and vermillion above zero (shares from -1 to 1), as RGB.

    ``strength`` (0 to 1) darkens what is of less concern.
    """
    amount = np.clip(np.abs(share), 0.0, 1.0)[..., None]
    ends = np.where(share[..., None] < 0, _LOWER, _HIGHER)
    return np.rint((255 + amount * (ends - 255)) * strength[..., None]).astype(np.uint8)


def data_uri(pixels: NDArray[np.uint8], longest: int) -> str:
    """Return a picture as a data URI, at most ``longest`` pixels a side."""
    picture = cast(Any, Image.fromarray(pixels))
    largest = max(picture.size)
    if largest > longest:
        size = tuple(max(1, round(side * longest / largest)) for side in picture.size)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    # A quarter of PNG's size at no difference to the eye; every browser since 2020 shows it.
    picture.save(stream, format="WEBP", quality=80, method=4)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _step(count: int) -> int:
    return max(1, count // _SAMPLE)


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return finite values, evenly thinned where they are very many; 0 where none is finite."""
    thinned = values[:: _step(values.size)].astype(np.float64)
    finite = thinned[np.isfinite(thinned)]
    return finite if finite.size else np.zeros(1)
