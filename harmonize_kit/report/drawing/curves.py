"""How the features go with a number such as age: the typical curve of each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.report.drawing.keys import band_key, draw_legend, level_key, line_key
from harmonize_kit.report.drawing.marks import draw_curve, draw_ribbon
from harmonize_kit.report.drawing.panels import name_panel, new_panels
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import BLUE, styled
from harmonize_kit.report.tables import Cell, Table
from harmonize_kit.report.text import fixed, shown, trimmed

_CAPTION = (
    "The typical curve over features, each turned to rise where its target does, in residual "
    "standard deviations: blue the median over features of the candidate, taken as one sample, "
    "grey the middle half; dashed the target, the curve inside sites before harmonization, which "
    "no site effect can bend."
)
Curve = Mapping[str, Any]


def draw_curves(covariate: str, found: Mapping[str, Any], number: int) -> Picture | None:
    """Return the picture of one covariate, None where nothing is known of its curves.

    Parameters
    ----------
    covariate : str
    found : mapping
        Points of the covariate in ``at``, the curve ``within_sites`` and, by name,
        ``candidates``: of each ``median``, ``low`` and ``high`` at the points.
    number : int
        Of the figure among those of its kind.
    """
    points = _numbers(found.get("at"))
    target = cast(Curve, found.get("within_sites") or {})
    candidates = cast(Mapping[str, Curve], found.get("candidates") or {})
    kept = {name: c for name, c in candidates.items() if _numbers(c.get("median")).size}
    if not points.size or not kept:
        return None
    with styled():
        labels = (shown(covariate, 32), "typical effect, SD")
        figure, panels = new_panels(len(kept), labels, 1)
        for axes, (name, curve) in zip(panels, kept.items(), strict=True):
            name_panel(axes, name)
            low, high = _numbers(curve.get("low")), _numbers(curve.get("high"))
            if low.size == high.size == points.size:
                draw_ribbon(axes, points, low, high)
            draw_curve(axes, points, _numbers(curve.get("median")), BLUE)
            if _numbers(target.get("median")).size == points.size:
                draw_curve(axes, points, _numbers(target.get("median")), None)
        keys = [line_key("candidate", BLUE), band_key("middle half"), level_key("inside sites")]
        draw_legend(figure, keys, 3)
    title = f"The course of the features with {shown(covariate)}"
    table = _table(covariate, points, target, kept)
    return finish(figure, f"curves_{number}", title, _CAPTION, {}, table)


def _numbers(value: Any) -> NDArray[np.float64]:
    found = np.array([] if value is None else list(cast(Sequence[Any], value)), dtype=np.float64)
    return found if np.isfinite(found).all() else np.empty(0)


def _table(
    covariate: str, points: NDArray[np.float64], target: Curve, candidates: Mapping[str, Curve]
) -> Table:
    columns = [_numbers(curve.get("median")) for curve in (target, *candidates.values())]
    known = [column for column in columns if column.size == points.size]
    names = ["Inside sites"] * (len(known) - len(candidates)) + [shown(n) for n in candidates]
    rows = tuple(
        (Cell(trimmed(float(point))), *(Cell(fixed(float(column[row]), 3)) for column in known))
        for row, point in enumerate(points)
    )
    return Table(f"Typical curve with {shown(covariate)}", (shown(covariate), *names), rows)
