"""What the guards of a translation measured: by site, and the images that pass a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import MISSING, shown, significant, trimmed

Bounds = tuple[float | None, float | None]
LABELS = {
    "change": "Change, in SD",
    "explained": "Explained by contrast and gain",
    "spread": "Spread of views, in SD",
    "lesion_contrast": "Lesion contrast, after / before",
    "lesion_volume": "Lesion volume, after / before",
}
_LISTED = 40


@dataclass(frozen=True)
class GuardedImage:
    """One translated image.

    Parameters
    ----------
    case, site, modality : str
        The case is named on a page only where ids may be shown.
    measures : mapping of str to float
        By name, see :data:`LABELS`; what could not be measured is absent.
    flags : tuple of str
        A sentence for each bound it passes.
    """

    case: str
    site: str
    modality: str
    measures: Mapping[str, float]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class GuardedImages:
    """The translated images of a candidate.

    Parameters
    ----------
    candidate : str
    images : tuple of GuardedImage
    bounds : mapping of str to (float or None, float or None)
        Below and above which an image is flagged.
    unchanged : int
        Cases that were of the target already.
    """

    candidate: str
    images: tuple[GuardedImage, ...]
    bounds: Mapping[str, Bounds] = field(default_factory=dict[str, Bounds])
    unchanged: int = 0

    @property
    def flagged(self) -> list[GuardedImage]:
        """The images that pass a bound."""
        return [image for image in self.images if image.flags]


def guard_tables(found: Sequence[GuardedImages], show_ids: bool) -> list[Table]:
    """Return the measures by candidate, site and modality, and the list of flagged images."""
    if not any(one.images for one in found):
        return []
    return [_measures(found), *_flagged(found, show_ids)]


def guard_rows(found: Sequence[GuardedImages]) -> list[dict[str, Any]]:
    """Return medians and extremes by candidate, site and modality, without ids."""
    return [
        {
            "candidate": one.candidate, "site": site, "modality": modality, "images": len(images),
            "flagged": sum(bool(image.flags) for image in images),
            **{name: _spread(images, name) for name in LABELS if _values(images, name)},
        }
        for one in found
        for (site, modality), images in _groups(one).items()
    ]  # fmt: skip


def _measures(found: Sequence[GuardedImages]) -> Table:
    names = [n for n in LABELS if any(_values(one.images, n) for one in found)]
    several = len({image.modality for one in found for image in one.images}) > 1
    rows: list[tuple[Cell, ...]] = []
    parts: list[tuple[str, int]] = []
    notes = [
        "Each cell: median over images, and smallest to largest. SD: standard deviations of the "
        "image before, inside the mask. Explained: share of the squared change that curves of "
        "intensity and a slow gain account for; the rest may be anatomy that was not there."
    ]
    for one in found:
        groups = _groups(one)
        for (site, modality), images in groups.items():
            place = f"{shown(site)}, {shown(modality)}" if several else shown(site)
            flagged = sum(bool(image.flags) for image in images)
            rows.append((
                text_cell(place), Cell(f"{len(images):,}"),
                *(_cell(images, name) for name in names), Cell(f"{flagged:,}" if flagged else "0"),
            ))  # fmt: skip
        parts.append((shown(one.candidate), len(groups)))
        if one.unchanged:
            notes.append(
                f"{shown(one.candidate)}: {one.unchanged} cases were of the target already and "
                "are not counted."
            )
    head = ("Site", "Images", *(_head(name, found) for name in names), "Flagged")
    return Table("What was done to the images", head, tuple(rows), notes=tuple(notes),
                 kind="scores", parts=tuple(parts))  # fmt: skip


def _groups(one: GuardedImages) -> dict[tuple[str, str], list[GuardedImage]]:
    groups: dict[tuple[str, str], list[GuardedImage]] = {}
    for image in one.images:
        groups.setdefault((image.site, image.modality), []).append(image)
    return dict(sorted(groups.items()))


def _values(images: Sequence[GuardedImage], name: str) -> list[float]:
    return [image.measures[name] for image in images if name in image.measures]


def _spread(images: Sequence[GuardedImage], name: str) -> dict[str, float]:
    values = _values(images, name)
    return {"median": float(np.median(values)), "low": min(values), "high": max(values)}


def _cell(images: Sequence[GuardedImage], name: str) -> Cell:
    if not _values(images, name):
        return Cell(MISSING)
    spread = _spread(images, name)
    return Cell(
        significant(spread["median"]),
        (f"{significant(spread['low'])} to {significant(spread['high'])}",),
    )


def _head(name: str, found: Sequence[GuardedImages]) -> Cell:
    """Return the name of a measure with its bounds, where all candidates have the same."""
    bounds = {one.bounds.get(name, (None, None)) for one in found}
    low, high = bounds.pop() if len(bounds) == 1 else (None, None)
    if low is not None and high is not None:
        return Cell(LABELS[name], (f"flagged outside {trimmed(low)} to {trimmed(high)}",))
    if high is not None:
        return Cell(LABELS[name], (f"flagged above {trimmed(high)}",))
    return Cell(LABELS[name], () if low is None else (f"flagged below {trimmed(low)}",))


def _flagged(found: Sequence[GuardedImages], show_ids: bool) -> list[Table]:
    every = [(one.candidate, image) for one in found for image in one.flagged]
    if not every:
        return []
    rows = tuple(
        tuple(
            text_cell(text)
            for text in (
                candidate, *([image.case] if show_ids else []), image.site, image.modality,
                "; ".join(image.flags),
            )
        )
        for candidate, image in every[:_LISTED]
    )  # fmt: skip
    note = "Beside the translated images, flags.csv names the cases."
    if len(every) > len(rows):
        note = f"{len(every) - len(rows)} more are not listed. {note}"
    head = ("Candidate", *(["Case"] if show_ids else []), "Site", "Modality", "Why it is flagged")
    return [Table("Flagged images", head, rows, notes=(note,), kind="prose")]
