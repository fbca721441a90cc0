"""Slices of an image for readers: the same planes of every candidate, each in its own window."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from harmonize_kit.errors import InputError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
LONGEST = 320  # pixels of the longer side of a slice
MARGIN = 12.0  # mm around the brain
# Name, axis, what lies at the left edge and at the top.
PLANES = (("axial", 0, "R", "A"), ("coronal", 1, "R", "H"), ("sagittal", 2, "A", "H"))


@dataclass(frozen=True)
class View:
    """Where a case is cut, in all candidates alike.

    Parameters
    ----------
    box : tuple of slice
        What is shown of the array (z, y, x).
    places : tuple of tuple of int
        Slices along z, y, x.
    start : tuple of int
        Which of them is seen first, along z, y, x.
    """

    box: tuple[slice, slice, slice]
    places: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    start: tuple[int, int, int]


def choose_view(
    shape: tuple[int, ...],
    spacing: tuple[float, float, float],
    brain: Flags | None,
    lesion: Flags | None,
    slices: int,
) -> View:
    """Choose the slices of a case: through its largest lesion and as far again, else its middle.

    With a lesion they span twice its extent, so that what lies around it is seen too; without one,
    the middle half of the brain, or of the image where there is no mask.

    Parameters
    ----------
    shape : tuple of int
        Of the arrays (z, y, x), which run to the head, the back and the left of the patient.
    spacing : tuple of float
        Along x, y, z, in mm.
    brain, lesion : ndarray of bool, shape (z, y, x), optional
    slices : int
        Of each plane, as far as there are so many.
    """
    inside = np.ones(shape, dtype=bool) if brain is None or not brain.any() else brain
    extent = _extent(inside)
    focus = inside if lesion is None or not lesion.any() else _largest(lesion)
    own = _extent(focus)
    box: list[slice] = []
    places: list[tuple[int, ...]] = []
    start: list[int] = []
    for axis, ((low, high), (first, last)) in enumerate(zip(extent, own, strict=True)):
        margin = round(MARGIN / spacing[2 - axis])
        box.append(slice(max(0, low - margin), min(shape[axis], high + 1 + margin)))
        if focus is inside:
            centre, span = (low + high) / 2, (high - low) / 2
        else:
            areas = focus.sum(axis=tuple(other for other in range(3) if other != axis))
            centre, span = float(np.argmax(areas)), 2.0 * (last - first + 1)
        span = max(span, slices - 1.0)
        wanted = centre + np.linspace(-span / 2, span / 2, slices) if slices > 1 else centre
        found = np.unique(np.clip(np.round(wanted), box[-1].start, box[-1].stop - 1)).astype(int)
        places.append(tuple(int(place) for place in found))
        start.append(int(np.argmin(np.abs(found - centre))))
    return View(
        (box[0], box[1], box[2]), (places[0], places[1], places[2]), (start[0], start[1], start[2])
    )


def cut_image(
    array: Floats,
    spacing: tuple[float, float, float],
    view: View,
    brain: Flags | None,
    window: tuple[float, float],
) -> list[dict[str, Any]]:
    """Return the three planes of an image, ready for JSON, each slice a PNG in base64.

    Parameters
    ----------
    array : ndarray, shape (z, y, x)
        Runs to the head, the back and the left of the patient.
    spacing : tuple of float
        Along x, y, z, in mm.
    view : View
    brain : ndarray of bool, shape (z, y, x), optional
        Where black and white are taken from; else from all that is not the image's minimum.
    window : tuple of float
        Percentiles that are black and white.

    Raises
    ------
    InputError
        If intensities are not finite or do not vary.
    """
    inside = array[brain] if brain is not None and brain.any() else array[array > array.min()]
    if not np.isfinite(array).all():
        raise InputError("expected finite intensities, got some that are not; mend the image")
    low, high = np.percentile(inside, window) if inside.size else (0.0, 0.0)
    if not high > low:
        raise InputError("expected intensities that vary, got a constant image; check it")
    grey = (255 * np.clip((array[view.box] - low) / (high - low), 0, 1)).round().astype(np.uint8)
    size_mm = [length * step for length, step in zip(grey.shape, spacing[::-1], strict=True)]
    return [
        _plane(grey, size_mm, view, name, axis, {"left": left, "top": top})
        for name, axis, left, top in PLANES
    ]


def _plane(
    grey: NDArray[np.uint8],
    size_mm: list[float],
    view: View,
    name: str,
    axis: int,
    edges: Mapping[str, str],
) -> dict[str, Any]:
    height, width = (size_mm[other] for other in range(3) if other != axis)
    offset = view.box[axis].start
    cuts = [np.take(grey, place - offset, axis=axis) for place in view.places[axis]]
    # Feet at the bottom where a slice stands upright.
    upright = [cut if axis == 0 else cut[::-1] for cut in cuts]
    scale = LONGEST / max(height, width)
    most = (max(1, round(width * scale)), max(1, round(height * scale)))
    return {
        "name": name,
        "ratio": round(width / height, 4),
        "start": view.start[axis],
        **edges,
        "slices": [_png(cut, most) for cut in upright],
    }


def _png(cut: NDArray[np.uint8], most: tuple[int, int]) -> str:
    picture = cast(Any, Image.fromarray(np.ascontiguousarray(cut)))
    if max(picture.size) > LONGEST:
        picture = picture.resize(most, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _extent(mask: Flags) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for axis in range(3):
        held = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        found.append((int(held[0]), int(held[-1])))
    return found


def _largest(mask: Flags) -> Flags:
    """Return the largest connected part."""
    labels, count = cast(Any, ndimage).label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())[1:]
    return np.asarray(labels == 1 + int(np.argmax(sizes)))
