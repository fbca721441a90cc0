"""Cases by site in the first two principal components, one panel a candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from numpy.typing import NDArray

from harmonize_kit.report.drawing.keys import draw_legend, point_key
from harmonize_kit.report.drawing.marks import draw_points
from harmonize_kit.report.drawing.panels import name_panel, new_panels
from harmonize_kit.report.drawing.picture import Picture, finish, thinned
from harmonize_kit.report.drawing.style import site_style, styled
from harmonize_kit.report.frames import names, numbers, texts
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import MISSING, finite, shown, significant

MAX_POINTS = 5000
_LEGEND_SITES = 48
_LEGEND_LETTERS = 24
_TURNS = 6  # sites are drawn in turns, so that the last of them does not cover the others


@dataclass(frozen=True)
class _Cases:
    """Cases of one candidate that have coordinates: ids, sites and points, shape (n, 2)."""

    ids: list[str]
    sites: list[str]
    points: NDArray[np.float64]


def draw_embedding(
    embeddings: Mapping[str, pd.DataFrame], about: Mapping[str, Any], show_ids: bool
) -> Picture | None:
    """Return the picture, None where no candidate has an embedding.

    Ids of cases appear as hover text only, and not at all without ``show_ids``.
    """
    panels = {name: _cases(frame) for name, frame in embeddings.items()}
    panels = {name: cases for name, cases in panels.items() if cases.ids}
    if not panels:
        return None
    sites = _sites(panels, about)
    hover: dict[str, list[str]] = {}
    with styled():
        columns = _legend_columns(sites, len(panels))
        legend_rows = -(-min(len(sites), _LEGEND_SITES + 1) // columns)
        figure, every = new_panels(len(panels), _labels(about), legend_rows)
        limits = _limits(panels)
        for place, (axes, (name, cases)) in enumerate(zip(every, panels.items(), strict=True)):
            name_panel(axes, name)
            axes.set(xlim=limits[0], ylim=limits[1])
            hover |= _panel(axes, cases, sites, place, MAX_POINTS // len(panels), show_ids)
        draw_legend(figure, _legend(sites), columns)
    drawn = sum(len(group) for group in hover.values())
    total = sum(len(cases.ids) for cases in panels.values())
    return finish(
        figure, "embedding", _TITLE, _caption(drawn, total, about), hover, _table(panels, sites)
    )


_TITLE = "Cases by site in the first two principal components"


def _caption(drawn: int, total: int, about: Mapping[str, Any]) -> str:
    axes = f" ({shown(about['axes'])})" if about.get("axes") else ""
    text = (
        f"Each point is a case, its colour and shape the site; all panels have the same axes{axes}."
        " Where sites lie apart, site shows in the strongest patterns of the features; where they "
        "do not, it may still show in weaker ones."
    )
    return text if drawn == total else f"{text} Of {total:,} points {drawn:,} are drawn."


def _cases(frame: pd.DataFrame) -> _Cases:
    points = np.column_stack([numbers(frame, "pc1"), numbers(frame, "pc2")])  # (n, 2)
    kept = np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()
    ids, sites = names(frame), texts(frame, "site")
    return _Cases([ids[row] for row in kept], [sites[row] for row in kept], points[kept])


def _sites(panels: Mapping[str, _Cases], about: Mapping[str, Any]) -> list[str]:
    present = {site for cases in panels.values() for site in cases.sites}
    order = [str(site) for site in cast(Sequence[Any], about.get("sites") or ())]
    return [site for site in order if site in present] + sorted(present - set(order))


def _limits(panels: Mapping[str, _Cases]) -> NDArray[np.float64]:
    points = np.concatenate([cases.points for cases in panels.values()])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.05 * np.where(high > low, high - low, 1.0)
    return np.column_stack([low - margin, high + margin])


def _panel(
    axes: Any, cases: _Cases, sites: Sequence[str], place: int, limit: int, show_ids: bool
) -> dict[str, list[str]]:
    """Draw one candidate, and return the hover text of each group of points."""
    ranks = {site: number for number, site in enumerate(sites)}
    ordered = sorted(range(len(cases.ids)), key=lambda row: ranks[cases.sites[row]])
    kept = [ordered[rank] for rank in thinned(len(ordered), limit)]
    size = 4.5 if len(kept) < 300 else 3.8 if len(kept) < 700 else 3.2
    by_site = [[row for row in kept if cases.sites[row] == site] for site in sites]
    hover: dict[str, list[str]] = {}
    for turn, number in product(range(_TURNS), range(len(sites))):
        rows = by_site[number][turn::_TURNS]
        if rows:
            gid = f"points-{place}-{turn}-{number}"
            draw_points(axes, cases.points[rows], *site_style(number), size, gid)
            ids = [f"{shown(cases.ids[row])}, " if show_ids else "" for row in rows]
            hover[gid] = [f"{name}{shown(sites[number])}" for name in ids]
    return hover


def _labels(about: Mapping[str, Any]) -> tuple[str, str]:
    shares = [finite(share) for share in cast(Sequence[Any], about.get("explained_variance") or ())]
    first, second = (
        f"PC {number}" + (f" ({100 * share:.0f} % of variance)" if share is not None else "")
        for number, share in enumerate([*shares, None, None][:2], start=1)
    )
    return first, second


def _legend(sites: Sequence[str]) -> list[Artist]:
    entries = [
        point_key(shown(site, _LEGEND_LETTERS), *site_style(number))
        for number, site in enumerate(sites[:_LEGEND_SITES])
    ]
    if len(sites) > _LEGEND_SITES:
        entries.append(point_key(f"and {len(sites) - _LEGEND_SITES} more", "none", "none"))
    return entries


def _legend_columns(sites: Sequence[str], panels: int) -> int:
    letters = max(min(len(shown(site)), _LEGEND_LETTERS) for site in sites)
    width = (50, 96, 108)[min(panels, 3) - 1]  # letters that fit beside each other
    return max(1, width // (letters + 7))


def _table(panels: Mapping[str, _Cases], sites: Sequence[str]) -> Table:
    rows = tuple(
        (text_cell(site), *(cell for cases in panels.values() for cell in _centre(cases, site)))
        for site in sites
    )
    groups = (("", 1), *((shown(name), 3) for name in panels))
    head = ("Site", *("PC 1", "PC 2", "Spread") * len(panels))
    notes = (
        "Mean of each site, and the root mean square distance of its cases from that mean. The "
        "coordinates of all cases, without their ids, are in report.json.",
    )
    return Table("Centre and spread of each site", head, rows, groups, notes)


def _centre(cases: _Cases, site: str) -> tuple[Cell, Cell, Cell]:
    points = cases.points[[row for row, name in enumerate(cases.sites) if name == site]]
    if not len(points):
        return Cell(MISSING), Cell(MISSING), Cell(MISSING)
    centre = points.mean(axis=0)
    spread = float(np.sqrt(((points - centre) ** 2).sum(axis=1).mean()))
    return (
        Cell(significant(float(centre[0]))),
        Cell(significant(float(centre[1]))),
        Cell(significant(spread)),
    )
