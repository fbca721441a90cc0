"""What became of each image, in the numbers that were given with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harmonize_kit.report.material import ImageChange
from harmonize_kit.report.metrics import METRICS
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import shown, significant


def image_rows(images: Sequence[ImageChange]) -> list[dict[str, Any]]:
    """Return the numbers of each image and candidate, without voxels."""
    return [
        {"name": image.name, "candidate": label, **found}
        for image in images
        for label, found in image.numbers.items()
    ]


def image_table(images: Sequence[ImageChange]) -> Table:
    """Return one row an image and candidate, and one column a measure."""
    pairs = [(image, label, found) for image in images for label, found in image.numbers.items()]
    measures = list(dict.fromkeys(name for _, _, found in pairs for name in found))
    rows = tuple(
        (text_cell(image.name), text_cell(label), *(_cell(found.get(name)) for name in measures))
        for image, label, found in pairs
    )
    return Table("Images before and after", ("Image", "Candidate", *map(_label, measures)), rows)


def _cell(number: float | None) -> Cell:
    return Cell(significant(number), sort="" if number is None else f"{number:.6g}")


def _label(name: str) -> str:
    known = METRICS.get(name)
    return known.label if known else shown(name.replace("_", " "))
