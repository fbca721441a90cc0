"""A row of a sheet: three planes of one thing."""

from __future__ import annotations

from dataclasses import dataclass

from harmonize_kit.preprocess.sheets.pictures import Picture

LONGEST = 256  # pixels of the longer side of a picture


@dataclass(frozen=True)
class Row:
    """A title, what to read it by, and one picture a plane."""

    title: str
    caption: str
    pictures: tuple[Picture, ...]
