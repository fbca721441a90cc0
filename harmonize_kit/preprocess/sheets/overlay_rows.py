"""Whether an image lies where it should: held against what it was registered to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.shown import shown
from harmonize_kit.preprocess.sheets.content import SheetContent
from harmonize_kit.preprocess.sheets.grids import same_grid
from harmonize_kit.preprocess.sheets.outlines import tissue_levels
from harmonize_kit.preprocess.sheets.pictures import Line, Picture, frame, tissue_lines
from harmonize_kit.preprocess.sheets.planes import PLANES, View
from harmonize_kit.preprocess.sheets.rows import LONGEST, Row
from harmonize_kit.preprocess.sheets.shades import Shaded, data_uri, grey, shaded

_SQUARE_MM = 20.0


@dataclass(frozen=True)
class Reference:
    """What images are held against.

    Parameters
    ----------
    seen : Shaded
    name : str
        In words.
    levels : tuple of float
        Intensities that part its tissues.
    modality : str, optional
        Which of the case's own modalities it is, None for a template.
    drawn : dict of str to str
        Keys of the lines that were drawn, by their paths: they are long, and often the same.
    """

    seen: Shaded
    name: str
    levels: tuple[float, ...]
    modality: str | None = None
    drawn: dict[str, str] = field(default_factory=lambda: dict[str, str]())

    def lines(self, view: View, plane: str) -> tuple[Line, ...]:
        """Return its tissue borders; those of an earlier image in the same view by their key."""
        found: list[Line] = []
        for line in tissue_lines(self.seen.volume, self.levels, view, plane):
            known = line.path in self.drawn
            key = self.drawn.setdefault(line.path, f"line-{len(self.drawn)}")
            found.append(replace(line, path="" if known else line.path, key=key))
        return tuple(found)

    @classmethod
    def of(cls, content: SheetContent, after: Mapping[str, Shaded]) -> Reference | None:
        """Return the reference of a case: the one it names, else its first modality."""
        if content.reference is not None:
            seen = shaded(content.reference)
            return cls(seen, shown(content.reference_name), tissue_levels(seen.values))
        if len(after) < 2:
            return None
        first, seen = next(iter(after.items()))
        return cls(seen, shown(first), tissue_levels(seen.values), first)


def overlay_rows(
    name: str, after: Shaded, view: View, key: str, reference: Reference | None
) -> list[Row]:
    """Return the image under the tissue borders of its reference, and a checkerboard of the two.

    The first row shows the pictures of the row ``key`` again. None where there is no reference, or
    where the case's own reference lies on another grid: then nothing was registered.
    """
    if reference is None or reference.modality == name:
        return []
    if reference.modality is not None and not same_grid(reference.seen.volume, after.volume):
        return []
    image, called = shown(name or "image"), reference.name
    outlined: list[Picture] = []
    boards: list[Picture] = []
    for plane in PLANES:
        lines = reference.lines(view, plane)
        text = f"{image} with the tissue borders of {called}, {plane} plane"
        outlined.append(frame(f"{key}-{plane}", "", text, view, plane, lines))
        uri = data_uri(grey(_checkerboard(after, reference.seen, view, plane)), LONGEST)
        text = f"Checkerboard of {image} and {called}, {plane} plane"
        boards.append(frame(f"{key}-board-{plane}", uri, text, view, plane, ()))
    return [
        Row("Registration", f"lines: tissue borders of {called}", tuple(outlined)),
        Row("Checkerboard", f"squares of 20 mm: this image and {called} by turns", tuple(boards)),
    ]


def _checkerboard(after: Shaded, reference: Shaded, view: View, plane: str) -> NDArray[np.float64]:
    mine, theirs = after.cut(view, plane), reference.cut(view, plane)
    rows, columns = np.indices(mine.shape)
    square = max(1, round(_SQUARE_MM / view.pixel))
    return np.where((rows // square + columns // square) % 2 == 0, mine, theirs)
