"""Where the variance of the features comes from: one stacked bar a candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from harmonize_kit.report.drawing.keys import draw_legend, patch_key
from harmonize_kit.report.drawing.marks import draw_shares
from harmonize_kit.report.drawing.panels import label_lanes, new_grid
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import LINE, PALETTE, QUIET, VERMILLION, styled
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import finite, fixed_share, shown

_TITLE = "Where the variance of a feature comes from"
_CAPTION = (
    "Mean over features of the share of variance that goes with site alone, with each covariate "
    "alone, with site and covariates together (shared: nobody can say with which of them), and "
    "with none of them. Harmonization ought to shorten the first part and leave the covariates."
)
_LAST = ("shared", "subject", "residual")
_WORDS = {"shared": "shared", "subject": "the subject", "residual": "none of these"}
_LOOKS = {"shared": QUIET, "residual": LINE}
Parts = Mapping[str, Mapping[str, Any]]


def draw_variance(found: Mapping[str, Parts]) -> Picture | None:
    """Return the picture, None where nothing is known of the variance.

    Parameters
    ----------
    found : mapping
        By candidate and part (the site column first, then covariates, ``shared``, ``subject``,
        ``residual``): ``value`` and, where there is one, ``interval``.
    """
    known = {name: parts for name, parts in found.items() if parts}
    if not known:
        return None
    every = list(dict.fromkeys(part for parts in known.values() for part in parts))
    order = [part for part in every if part not in _LAST] + [p for p in _LAST if p in every]
    looks = _colours(order)
    with styled():
        figure, (axes,) = new_grid(1, len(known))
        for lane, parts in enumerate(known.values()):
            left = 0.0
            for part in order:
                share = max(0.0, finite(parts.get(part, {}).get("value")) or 0.0)
                draw_shares(axes, left, share, lane, looks[part])
                left += share
        axes.set_ylim(len(known) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of variance")
        label_lanes([axes], [shown(name, 22) for name in known])
        keys = [patch_key(shown(_WORDS.get(part, part), 20), looks[part]) for part in order]
        draw_legend(figure, keys, 5)
    return finish(figure, "variance", _TITLE, _CAPTION, {}, _table(known, order))


def _colours(order: Sequence[str]) -> dict[str, str]:
    """Site in vermillion, what is unexplained in grey, the rest in colours of their own."""
    others = [colour for colour in PALETTE[:-1] if colour != VERMILLION]
    looks = {order[0]: VERMILLION, **_LOOKS}
    for number, part in enumerate(part for part in order[1:] if part not in _LOOKS):
        looks[part] = others[number % len(others)]
    return looks


def _table(found: Mapping[str, Parts], order: Sequence[str]) -> Table:
    rows = tuple(
        (text_cell(name), *(_cell(parts.get(part, {})) for part in order))
        for name, parts in found.items()
    )
    head = ("Candidate", *(shown(_WORDS.get(part, part)) for part in order))
    return Table("Shares of variance", head, rows)


def _cell(part: Mapping[str, Any]) -> Cell:
    interval = [finite(end) for end in cast(Sequence[Any], part.get("interval") or ())]
    value = finite(part.get("value"))
    below = (" to ".join(fixed_share(end) for end in interval),) if len(interval) == 2 else ()
    return Cell(fixed_share(value), below, sort="" if value is None else f"{value:.6g}")
