"""A per-feature statistic of the first candidate against each other: what changed, by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.report.drawing.keys import draw_legend, point_key
from harmonize_kit.report.drawing.marks import draw_identity, draw_points, draw_zero
from harmonize_kit.report.drawing.panels import name_panel, new_panels
from harmonize_kit.report.drawing.picture import Picture, finish, thinned
from harmonize_kit.report.drawing.style import BLUE, VERMILLION, styled
from harmonize_kit.report.frames import EFFECT, by_name
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import fixed, shown

MAX_POINTS = 3000
_ROWS_SHOWN = 25
_SIGNIFICANT = 0.05
_NOT_SHOWN = "not shown (q ≥ 0.05, or no q)"
_NAN = float("nan")


@dataclass(frozen=True)
class Question:
    """Which statistic is drawn, and how its figure is named and read."""

    key: str
    effect: str
    q: str
    axis: str
    title: str
    reading: str
    marked: str


SITE = Question(
    "site_effect",
    "partial_eta_squared",
    "q",
    "partial η² of site",
    "Site effect of each feature, before and after",
    "Each point is a feature. Below the dashed line the candidate left less of the site effect "
    "than there was before; on it nothing changed.",
    "site effect remains (q < 0.05)",
)


def association(covariate: str, number: int) -> Question:
    """Return the question whether the association with a covariate is kept."""
    return Question(
        f"association_{number}",
        f"{covariate}{EFFECT}",
        f"{covariate}_q",
        f"association with {shown(covariate, 14)}",
        f"Association of each feature with {shown(covariate)}, before and after",
        "Each point is a feature. On the dashed line the association is kept as it was; nearer "
        "to zero it is weaker, farther from zero stronger than before. What a candidate adds is no "
        "gain in itself: it may have been told the covariate.",
        "associated afterwards (q < 0.05)",
    )


@dataclass(frozen=True)
class _Panel:
    """Features that both candidates have: names, values (n, 2), and significance afterwards."""

    features: list[str]
    values: NDArray[np.float64]
    marked: NDArray[np.bool_]


def draw_before_after(
    features: Mapping[str, pd.DataFrame], question: Question, limit: int = MAX_POINTS
) -> Picture | None:
    """Return the picture, None where there are not two candidates with the statistic."""
    first, *others = features or [""]
    panels = {name: _panel(features[first], features[name], question) for name in others}
    panels = {name: panel for name, panel in panels.items() if panel.features}
    if not panels:
        return None
    hover: dict[str, list[str]] = {}
    with styled():
        labels = (f"{question.axis}, {shown(first, 16)}", f"{question.axis}, afterwards")
        figure, every = new_panels(len(panels), labels, 2)
        low, high = _limits(panels)
        for place, (axes, (name, panel)) in enumerate(zip(every, panels.items(), strict=True)):
            draw_identity(axes, low, high)
            if low < 0:
                draw_zero(axes)
            name_panel(axes, name)
            hover |= _points(axes, panel, place, limit // len(panels))
        marked = point_key(question.marked, VERMILLION, "^")
        draw_legend(figure, [marked, point_key(_NOT_SHOWN, BLUE, "o")], 2 if len(panels) > 1 else 1)
    drawn = sum(len(names) for names in hover.values())
    total = sum(len(panel.features) for panel in panels.values())
    caption = question.reading
    if drawn < total:
        caption += f" Of {total:,} points {drawn:,} are drawn, evenly over the range before."
    table = _table(features, question)
    return finish(figure, question.key, question.title, caption, hover, table)


def _panel(before: pd.DataFrame, after: pd.DataFrame, question: Question) -> _Panel:
    start, end = by_name(before, question.effect), by_name(after, question.effect)
    qs = by_name(after, question.q)
    kept = [name for name in start if np.isfinite(start[name]) and np.isfinite(end.get(name, _NAN))]
    kept.sort(key=start.__getitem__)
    values = np.array([[start[name], end[name]] for name in kept]).reshape(-1, 2)  # (n, 2)
    marked = np.array([qs.get(name, _NAN) < _SIGNIFICANT for name in kept], dtype=bool)
    return _Panel(kept, values, marked)


def _limits(panels: Mapping[str, _Panel]) -> tuple[float, float]:
    values = np.concatenate([panel.values.ravel() for panel in panels.values()])
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    margin = 0.04 * (high - low or 1.0)
    return (low - margin if low < 0 else 0.0), high + margin


def _points(axes: Any, panel: _Panel, place: int, limit: int) -> dict[str, list[str]]:
    """Draw the features of one candidate, and return the hover text of each group of points."""
    kept = thinned(len(panel.features), limit)
    hover: dict[str, list[str]] = {}
    for marked, colour, marker in ((False, BLUE, "o"), (True, VERMILLION, "^")):
        rows = [row for row in kept if bool(panel.marked[row]) is marked]
        if rows:
            gid = f"points-{place}-{int(marked)}"
            draw_points(axes, panel.values[rows], colour, marker, 4.5, gid)
            hover[gid] = [_hover(panel.features[row], panel.values[row]) for row in rows]
    return hover


def _hover(feature: str, values: NDArray[np.float64]) -> str:
    before, after = (fixed(float(value), 3) for value in values)
    return f"{shown(feature)}: {before} before, {after} after"


def _table(features: Mapping[str, pd.DataFrame], question: Question) -> Table:
    columns = [by_name(frame, question.effect) for frame in features.values()]
    known = [name for name, value in columns[0].items() if np.isfinite(value)]
    ordered: Sequence[str] = sorted(known, key=lambda name: -abs(columns[0][name]))
    rows = tuple(
        (text_cell(name), *(Cell(fixed(column.get(name), 3)) for column in columns))
        for name in ordered[:_ROWS_SHOWN]
    )
    notes = ()
    if len(ordered) > len(rows):
        notes = (
            f"The {len(rows)} strongest before, of {len(ordered):,}; the rest is in the table of "
            "features and in report.json.",
        )
    head = ("Feature", *(shown(name) for name in features))
    return Table(
        f"{question.axis[0].upper()}{question.axis[1:]} by feature", head, rows, notes=notes
    )
