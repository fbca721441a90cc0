"""Slices of an image before and after, and what differs, as pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harmonize_kit.report.drawing.style import BLUE, VERMILLION
from harmonize_kit.report.material import Array, ImageChange
from harmonize_kit.report.text import shown, trimmed

MAX_IMAGES = 12
LONGEST = 256  # pixels of the longer side of a slice
_PLANES = (("axial", 0), ("coronal", 1), ("sagittal", 2))


@dataclass(frozen=True)
class Slice:
    """One picture: its data URI, what it shows, and its size as shown, in pixels."""

    uri: str
    text: str
    width: int
    height: int


@dataclass(frozen=True)
class SlicedState:
    """One state of an image: what it is, a slice in each plane, and what differs from before.

    The state before has no differences.
    """

    label: str
    slices: tuple[Slice, ...]
    differences: tuple[Slice, ...] = ()


@dataclass(frozen=True)
class SlicedImage:
    """One image, before first and then as each candidate has it.

    ``window`` and ``largest`` say in words what black, white and the strongest colours stand for,
    the latter in standard deviations of the image before; ``outlined`` whether a lesion is marked.
    """

    name: str
    states: tuple[SlicedState, ...]
    window: str
    largest: str
    outlined: bool


def slice_image(change: ImageChange) -> SlicedImage:
    """Cut three planes through the middle of the lesion, or of the image.

    All states share one window of grey, the 1st to 99th percentile of what is not background
    before, so that a change of brightness is seen as one; where the content is known, the rest is
    black. Differences from before are in its standard deviations there and white at no change;
    their colours reach full strength at the 99.5th percentile of their size over all candidates, so
    that they can be compared.
    """
    before = change.before
    content = before > before.min() if change.region is None else change.region
    inside = before[content] if content.any() else before
    low, high = (float(end) for end in np.percentile(inside, (1, 99)))
    unit = float(inside.std()) or 1.0
    judged = np.ones_like(content) if change.region is None else content
    differences = [np.where(judged, after - before, 0.0) / unit for after in change.after]
    sizes = [float(np.percentile(np.abs(found), 99.5)) for found in differences]
    largest = max(sizes, default=0.0) or 1.0
    name = shown(change.name)
    states: list[SlicedState] = []
    for label, array in zip(change.labels, (before, *change.after), strict=True):
        of = f"{name}, {shown(label)}, {{}} slice"
        seen = array if change.region is None else np.where(content, array, low)
        slices = _planes(change, seen, lambda cut, rim: _grey(cut, low, high, rim), of)
        states.append(SlicedState(shown(label), slices))
    for place, found in enumerate(differences, start=1):
        of = f"{name}, {states[place].label}, {{}} slice, difference from {states[0].label}"
        slices = _planes(change, found, lambda cut, _: _diverging(cut / largest), of)
        states[place] = replace(states[place], differences=slices)
    return SlicedImage(
        name,
        tuple(states),
        f"{trimmed(low)} to {trimmed(high)}",
        f"±{trimmed(largest)}",
        change.mask is not None,
    )


def _planes(
    change: ImageChange,
    array: Array,
    paint: Callable[[Array, NDArray[np.bool_] | None], NDArray[np.uint8]],
    text: str,
) -> tuple[Slice, ...]:
    """Return a slice of ``array`` in each plane, with the outline of the lesion for the painter."""
    centre, found = _centre(change), list[Slice]()
    for plane, axis in _PLANES:
        cut = _cut(array, axis, centre[axis])
        rim = None if change.mask is None else _rim(_cut(change.mask, axis, centre[axis]))
        found.append(_slice(paint(cut, rim), text.format(plane), _size(change, axis)))
    return tuple(found)


def _centre(change: ImageChange) -> tuple[int, int, int]:
    if change.mask is not None and change.mask.any():
        found = [int(np.median(places)) for places in np.nonzero(change.mask)]
    else:
        found = [length // 2 for length in change.before.shape]
    return found[0], found[1], found[2]


def _cut(array: NDArray[Any], axis: int, place: int) -> NDArray[Any]:
    """Return one slice, feet at the bottom where it stands upright (DICOM's z points up)."""
    cut = np.take(array, place, axis=axis)
    return cut if axis == 0 else cut[::-1]


def _size(change: ImageChange, axis: int) -> tuple[int, int]:
    """Return width and height in pixels, in proportion to millimetres."""
    z, y, x = change.before.shape
    dx, dy, dz = change.spacing
    width, height = ((x * dx, y * dy), (x * dx, z * dz), (y * dy, z * dz))[axis]
    scale = LONGEST / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _grey(cut: Array, low: float, high: float, rim: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    share = np.clip((cut - low) / ((high - low) or 1.0), 0, 1)
    colour = np.repeat((255 * share)[..., None], 3, axis=2).astype(np.uint8)
    if rim is not None:
        colour[rim] = _rgb(VERMILLION)
    return colour


def _diverging(share: Array) -> NDArray[np.uint8]:
    """Return blue below, white at and vermillion above zero; shares run from -1 to 1."""
    strength = np.clip(np.abs(share), 0, 1)[..., None]
    ends = np.where(share[..., None] < 0, _rgb(BLUE), _rgb(VERMILLION))
    return (255 + strength * (ends - 255)).astype(np.uint8)


def _rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels of a lesion that touch what is outside it."""
    padded = np.pad(mask.astype(bool), 1)
    inner = padded[1:-1, 1:-1].copy()
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        inner &= np.roll(padded, step, axis=axis)[1:-1, 1:-1]
    return mask.astype(bool) & ~inner


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)], dtype=np.float64)


def _slice(colour: NDArray[np.uint8], text: str, size: tuple[int, int]) -> Slice:
    picture = cast(Any, Image.fromarray(colour))
    if max(picture.size) > LONGEST:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format="WEBP", quality=82, method=4)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return Slice(f"data:image/webp;base64,{data}", text, *size)
