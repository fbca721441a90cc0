"""Removal of site against preservation of biology, one point a candidate, with the Pareto front.

The two are never added up: what a study can spare of either is for its readers to say. A candidate
on the front is one that no other beats in both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from matplotlib.ticker import MaxNLocator

from harmonize_kit.report.drawing.keys import draw_legend, level_key, point_key
from harmonize_kit.report.drawing.marks import draw_cross, draw_front, draw_points
from harmonize_kit.report.drawing.panels import new_figure
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import INK, site_style, styled
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import MISSING, finite, fixed, shown

_TITLE = "Site removed against biology kept"
_CAPTION = (
    "Each point is a candidate: to the right more of the site effect is removed, upwards more of "
    "the biology is kept; lines are 95 % intervals. The dashed line is the Pareto front, the "
    "candidates that no other beats in both. A candidate at the lower right has removed the "
    "biology with the site."
)


@dataclass(frozen=True)
class Standpoint:
    """Where one candidate stands."""

    candidate: str
    removal: float
    preservation: float
    removal_interval: tuple[float, float] | None
    preservation_interval: tuple[float, float] | None
    front: bool


def standpoints(about: Mapping[str, Any]) -> list[Standpoint]:
    """Return the ``points`` of ``about["plane"]``, objects with the fields of a standpoint."""
    found: list[Standpoint] = []
    plane = cast(Mapping[str, Any], about.get("plane") or {})
    for entry in cast(Sequence[Mapping[str, Any]], plane.get("points") or ()):
        removal, preservation = finite(entry.get("removal")), finite(entry.get("preservation"))
        if removal is not None and preservation is not None:
            found.append(
                Standpoint(
                    str(entry.get("candidate", "")),
                    removal,
                    preservation,
                    _interval(entry.get("removal_interval")),
                    _interval(entry.get("preservation_interval")),
                    bool(entry.get("front")),
                )
            )
    return found


def draw_plane(about: Mapping[str, Any]) -> Picture | None:
    """Return the picture, None where fewer than two candidates have a place in the plane."""
    points = standpoints(about)
    if len(points) < 2:
        return None
    hover: dict[str, list[str]] = {}
    with styled():
        figure = new_figure(5.2, 4.3)
        axes: Any = figure.add_subplot()
        front = sorted((p for p in points if p.front), key=lambda point: point.removal)
        if len(front) > 1:
            draw_front(axes, [(point.removal, point.preservation) for point in front])
        for place, point in enumerate(points):
            colour, marker = site_style(place)
            draw_cross(
                axes, (point.removal, point.preservation), point.removal_interval,
                point.preservation_interval, colour,
            )  # fmt: skip
            gid = f"candidate-{place}"
            at = np.array([[point.removal, point.preservation]])
            draw_points(axes, at, colour, marker, 8 if point.front else 6.5, gid)
            hover[gid] = [_hover(point)]
        axes.set_xlabel("site effect removed →", color=INK)
        axes.set_ylabel("biology kept →", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        keys = [
            point_key(shown(point.candidate, 24), *site_style(place))
            for place, point in enumerate(points)
        ]
        draw_legend(figure, [*keys, *([level_key("Pareto front")] if len(front) > 1 else [])], 4)
    return finish(figure, "plane", _TITLE, _caption(about["plane"]), hover, _table(points))


def _caption(plane: Mapping[str, Any]) -> str:
    """Return the caption, with what the axes are where the comparison says it."""
    said = [
        f"{name}: {shown(plane[key])}."
        for key, name in (("removal", "Removed"), ("preservation", "Kept"))
        if plane.get(key)
    ]
    return " ".join([_CAPTION, *said])


def _interval(value: Any) -> tuple[float, float] | None:
    ends = [finite(end) for end in cast(Sequence[Any], value or ())]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    return ends[0], ends[1]


def _hover(point: Standpoint) -> str:
    front = ", on the front" if point.front else ""
    removed, kept = fixed(point.removal, 2), fixed(point.preservation, 2)
    return f"{shown(point.candidate)}: removal {removed}, preservation {kept}{front}"


def _table(points: Sequence[Standpoint]) -> Table:
    rows = tuple(
        (
            text_cell(point.candidate),
            _number(point.removal, point.removal_interval),
            _number(point.preservation, point.preservation_interval),
            Cell("yes" if point.front else "no", number=False),
        )
        for point in points
    )
    head = ("Candidate", "Removal", "Preservation", "On the Pareto front")
    return Table(_TITLE, head, rows)


def _number(value: float, interval: tuple[float, float] | None) -> Cell:
    if not math.isfinite(value):
        return Cell(MISSING)
    below = () if interval is None else (f"{fixed(interval[0], 2)} to {fixed(interval[1], 2)}",)
    return Cell(fixed(value, 2), below, sort=f"{value:.6g}")
