"""Covariates by site: who was scanned where, and whether the sites can be compared at all.

A covariate's effect at a site whose people are unlike all others is known by extrapolation only,
and an error in it is taken for the site (positivity; Bayer et al. 2022, Front Neurol 13:923988).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from harmonize_kit.report.drawing.keys import band_key, bar_key, draw_legend, patch_key
from harmonize_kit.report.drawing.marks import (
    draw_bar,
    draw_common_range,
    draw_points,
    draw_shares,
    draw_thin_bar,
)
from harmonize_kit.report.drawing.panels import label_lanes, new_grid
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import BLUE, PALETTE, QUIET, styled
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import MISSING, finite, percent, shown, trimmed

MAX_SITES = 48
MAX_COVARIATES = 6
_LEVELS = len(PALETTE) - 1  # the last of the palette is ink
_TITLE = "Covariates by site"

Summary = Mapping[str, Any]


def draw_overlap(by_site: Mapping[str, Mapping[str, Summary]]) -> Picture | None:
    """Return the picture, None where nothing is known of covariates by site.

    Parameters
    ----------
    by_site : mapping
        By covariate and site: ``quantiles`` (five numbers, smallest to largest) of a numeric
        covariate, or ``counts`` by level of any other.
    """
    covariates = [name for name, sites in by_site.items() if sites]
    drawn = covariates[:MAX_COVARIATES]
    sites = list(dict.fromkeys(site for name in covariates for site in by_site[name]))
    shown_sites = sites[:MAX_SITES]
    if not drawn:
        return None
    hover: dict[str, list[str]] = {}
    keys: list[Any] = []
    with styled():
        figure, panels = new_grid(len(drawn), len(shown_sites) if len(shown_sites) > 3 else 3)
        for axes, name in zip(panels, drawn, strict=True):
            axes.set_title(shown(name, 32), loc="left")
            axes.set_ylim(len(shown_sites) - 0.4, -0.6)
            lanes = [(by_site[name].get(site, {}), site) for site in shown_sites]
            if any(_quantiles(summary) for summary, _ in lanes):
                hover |= _numeric(axes, lanes, len(hover))
            else:
                keys += _levels(axes, lanes, name, len(keys))
        label_lanes(panels, [shown(site, 18) for site in shown_sites])
        if hover:
            keys = [bar_key("median and middle half", BLUE, "o"), band_key("common to all"), *keys]
        draw_legend(figure, keys, 5)
    caption = (
        "Numbers: median, middle half and full range of each site; the grey band is the range that "
        "all sites share. Categories: their share at each site. Where sites share little, site "
        "and covariate cannot be told apart, and no method can harmonize one without the other."
    )
    if len(sites) > len(shown_sites) or len(covariates) > len(drawn):
        caption += " Not all sites and covariates are drawn; the table holds all."
    return finish(figure, "overlap", _TITLE, caption, hover, _table(by_site, covariates, sites))


def _numeric(axes: Any, lanes: Sequence[tuple[Summary, str]], drawn: int) -> dict[str, list[str]]:
    hover: dict[str, list[str]] = {}
    found = {lane: q for lane, (summary, _) in enumerate(lanes) if (q := _quantiles(summary))}
    low = max(q[0] for q in found.values())
    high = min(q[-1] for q in found.values())
    if low < high:
        draw_common_range(axes, low, high)
    for lane, q in found.items():
        draw_thin_bar(axes, (q[0], q[-1]), lane)
        draw_bar(axes, (q[1], q[3]), lane, BLUE)
        gid = f"median-{drawn + len(hover)}"
        draw_points(axes, np.array([[q[2], lane]]), BLUE, "o", 5, gid)
        hover[gid] = [
            f"{shown(lanes[lane][1])}: median {trimmed(q[2])}, {trimmed(q[0])} to {trimmed(q[-1])}"
        ]
    return hover


def _levels(
    axes: Any, lanes: Sequence[tuple[Summary, str]], covariate: str, used: int
) -> list[Any]:
    """Draw shares of levels, and return their keys; ``used`` colours stand for others already."""
    counts = [_counts(summary) for summary, _ in lanes]
    total: dict[str, float] = {}
    for count in counts:
        for level, number in count.items():
            total[level] = total.get(level, 0) + number
    levels = list(total)
    colours = {
        level: PALETTE[(used + place) % _LEVELS] for place, level in enumerate(levels[:_LEVELS])
    }
    for lane, count in enumerate(counts):
        size = sum(count.values())
        if not size:
            continue
        left = 0.0
        for level in levels:
            share = count.get(level, 0) / size
            draw_shares(axes, left, share, lane, colours.get(level, QUIET))
            left += share
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of cases")
    prefix = shown(covariate, 14)
    keys = [patch_key(f"{prefix}: {shown(level, 14)}", look) for level, look in colours.items()]
    return keys if len(levels) <= _LEVELS else [*keys, patch_key(f"{prefix}: other", QUIET)]


def _quantiles(summary: Summary) -> list[float]:
    found = [finite(number) for number in cast(Sequence[Any], summary.get("quantiles") or ())]
    return [number for number in found if number is not None] if len(found) == 5 else []


def _counts(summary: Summary) -> dict[str, float]:
    counts = cast(Mapping[Any, Any], summary.get("counts") or {})
    return {str(level): finite(number) or 0.0 for level, number in counts.items()}


def _table(
    by_site: Mapping[str, Mapping[str, Summary]], covariates: Sequence[str], sites: Sequence[str]
) -> Table:
    rows = tuple(
        (text_cell(site), *(_cell(by_site[name].get(site, {})) for name in covariates))
        for site in sites
    )
    head = ("Site", *(shown(name) for name in covariates))
    notes = ("Numbers: median, and the range. Categories: share and number of cases.",)
    return Table("Covariates by site", head, rows, notes=notes)


def _cell(summary: Summary) -> Cell:
    q = _quantiles(summary)
    if q:
        below = f"{trimmed(q[0])} to {trimmed(q[-1])}"
        return Cell(trimmed(q[2]), (below,), sort=f"{q[2]:.6g}")
    counts = _counts(summary)
    size = sum(counts.values())
    if not size:
        return Cell(MISSING)
    parts = [f"{shown(level)} {percent(n / size)} ({n:.0f})" for level, n in counts.items()]
    return Cell(", ".join(parts), number=False)
