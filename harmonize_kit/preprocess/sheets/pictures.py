"""One picture of a sheet: a plane in shades, its size, and the outlines that lie over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.sheets.outlines import UNIT, outline
from harmonize_kit.preprocess.sheets.planes import SIDES, View, cut

_MOST_LABELS = 6  # on one plane; more of them are drawn as one region


@dataclass(frozen=True)
class Line:
    """An outline: its SVG path, and its kind, by which the page colours and hides it.

    A line with a ``key`` and no path shows the line of that key again.
    """

    path: str
    kind: str
    key: str = ""


@dataclass(frozen=True)
class Picture:
    """A plane as the page shows it.

    Parameters
    ----------
    key : str
        Id of the image in the page; a picture without ``uri`` shows that of another again.
    uri : str
        The image as a data URI.
    text : str
        What it shows, for those who do not see it.
    width, height : int
        In the unit of the lines, a quarter of a pixel.
    share : float
        Of the width of the row, so that all pictures of a row have one scale.
    sides : str
        Letters at the left, right, top and bottom.
    lines : tuple of Line
    """

    key: str
    uri: str
    text: str
    width: int
    height: int
    share: float
    sides: str
    lines: tuple[Line, ...]


def frame(
    key: str, uri: str, text: str, view: View, plane: str, lines: tuple[Line, ...]
) -> Picture:
    """Return the picture of a plane of ``view``."""
    width, height = (max(1, round(mm / view.pixel)) * UNIT for mm in view.extent(plane))
    sides = SIDES[plane]
    return Picture(key, uri, text, width, height, view.extent(plane)[0], sides, lines)


def mask_line(mask: Volume, view: View, plane: str) -> tuple[Line, ...]:
    """Return the edge of the mask that ``mask`` carries."""
    if mask.mask is None:
        return ()
    inside = cut(mask.mask, mask.geometry, view, plane, nearest=True) != 0
    return _lines([(inside.astype(np.float32), 0.5, "edge")])


def labels_of(labels: Volume) -> tuple[int, ...]:
    """Return the labels that are drawn each on its own, none where they are too many for that."""
    found = np.unique(labels.array[labels.array > 0])
    return tuple(int(label) for label in found) if len(found) <= _MOST_LABELS else ()


def label_lines(labels: Volume, view: View, plane: str) -> tuple[Line, ...]:
    """Return an outline for each label, in four colours by turns."""
    drawn = cut(labels.array, labels.geometry, view, plane, nearest=True)
    found = [float(label) for label in np.unique(drawn) if label > 0]
    if len(found) > _MOST_LABELS:
        return _lines([((drawn > 0).astype(np.float32), 0.5, "label label-0")])
    return _lines(
        [
            ((drawn == label).astype(np.float32), 0.5, f"label label-{int(label) % 4}")
            for label in found
        ]
    )


def tissue_lines(
    reference: Volume, levels: tuple[float, ...], view: View, plane: str
) -> tuple[Line, ...]:
    """Return the borders of tissues of the reference, drawn on another image."""
    values = cut(reference.array, reference.geometry, view, plane)
    return _lines([(values, level, "tissue") for level in levels])


def _lines(wanted: list[tuple[NDArray[np.float32], float, str]]) -> tuple[Line, ...]:
    found = [(outline(values, level), kind) for values, level, kind in wanted]
    return tuple(Line(path, kind) for path, kind in found if path)
