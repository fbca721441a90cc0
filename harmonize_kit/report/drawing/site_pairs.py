"""Every pair of sites as a square: how far apart the two lie in each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.report.drawing.keys import draw_legend, patch_key
from harmonize_kit.report.drawing.marks import draw_triangle
from harmonize_kit.report.drawing.panels import name_panel, new_squares
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import BLUE, opacity, styled
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import finite, fixed, shown

MAX_SITES = 40
_ROWS_SHOWN = 25
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the largest distance, in the legend
_TITLE = "Every pair of sites"
_CAPTION = (
    "Median over features of the absolute difference of two sites in standard deviations (Cohen's "
    "d); all panels have the same colours. A strongly coloured row or column is a site that lies "
    "apart from all others, a single such square two sites that differ. The table adds distances "
    "of all features together."
)
_MEASURES = {
    "cohens_d": "Cohen's d, median", "mahalanobis": "Mahalanobis", "covariance": "Covariance",
}  # fmt: skip
Pair = Mapping[str, Any]


def draw_site_pairs(found: Mapping[str, Sequence[Pair]]) -> Picture | None:
    """Return the picture, None where no candidate has three sites that were compared.

    Parameters
    ----------
    found : mapping of str to sequence of mapping
        By candidate: ``sites`` (two names), ``cohens_d``, ``mahalanobis``, ``covariance``.
    """
    panels = {name: pairs for name, pairs in found.items() if len(pairs) > 1}
    sites = list(dict.fromkeys(s for pairs in panels.values() for p in pairs for s in _names(p)))
    drawn = sites[:MAX_SITES]
    if not panels or len(sites) < 3:
        return None
    matrices = {name: _matrix(pairs, drawn) for name, pairs in panels.items()}
    largest = max(float(np.nanmax(matrix)) for matrix in matrices.values())
    with styled():
        figure, every = new_squares(len(panels), len(drawn))
        for axes, (name, matrix) in zip(every, matrices.items(), strict=True):
            name_panel(axes, name)
            draw_triangle(axes, matrix, largest, [shown(site, 12) for site in drawn])
        keys = [patch_key(f"{share * largest:.2f}", BLUE, opacity(share)) for share in _SHARES]
        draw_legend(figure, keys, len(keys))
    caption = _CAPTION
    if len(sites) > len(drawn):
        caption += f" The first {len(drawn)} of {len(sites)} sites are drawn."
    return finish(figure, "site_pairs", _TITLE, caption, {}, _table(panels))


def _names(pair: Pair) -> list[str]:
    return [str(name) for name in cast(Sequence[Any], pair.get("sites") or ())][:2]


def _matrix(pairs: Sequence[Pair], sites: Sequence[str]) -> NDArray[np.float64]:
    place = {site: number for number, site in enumerate(sites)}
    matrix = np.full((len(sites), len(sites)), np.nan)
    for pair in pairs:
        a, b = (place.get(name) for name in _names(pair))
        value = finite(pair.get("cohens_d"))
        if a is not None and b is not None and value is not None:
            matrix[a, b] = matrix[b, a] = value
    return matrix


def _table(panels: Mapping[str, Sequence[Pair]]) -> Table:
    measures = [key for key in _MEASURES if any(key in p for q in panels.values() for p in q)]
    keys = list(dict.fromkeys(tuple(_names(p)) for pairs in panels.values() for p in pairs))
    known = {name: {tuple(_names(p)): p for p in pairs} for name, pairs in panels.items()}
    before = next(iter(known.values()))
    keys.sort(key=lambda pair: -(finite(before.get(pair, {}).get("cohens_d")) or 0.0))
    kept = keys[:_ROWS_SHOWN]
    rows = tuple(
        (
            text_cell(" and ".join(pair)),
            *(
                _cell(known[name].get(pair, {}).get(measure))
                for name in panels
                for measure in measures
            ),
        )
        for pair in kept
    )
    notes = ()
    if len(kept) < len(keys):
        notes = (f"The {len(kept)} farthest apart before, of {len(keys)}; report.json holds all.",)
    groups = (("", 1), *((shown(name), len(measures)) for name in panels))
    head = ("Sites", *(_MEASURES[measure] for _ in panels for measure in measures))
    return Table("Distances of pairs of sites", head, rows, groups, notes)


def _cell(value: Any) -> Cell:
    number = finite(value)
    return Cell(fixed(number, 2), sort="" if number is None else f"{number:.6g}")
