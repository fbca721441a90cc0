"""How figures look: a colour-blind-safe palette with shapes, and colours a page may change.

Ink, quiet ink and lines are drawn in sentinel colours, values that nothing else uses, so that the
inline form of a figure can put CSS variables in their place and follow the reader's dark mode.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib as mpl

INK, QUIET, LINE, PAPER = "#1b1d21", "#5c6068", "#d5d8dd", "#fefdfc"
VARIABLES = {INK: "var(--ink)", QUIET: "var(--quiet)", LINE: "var(--line)", PAPER: "var(--paper)"}

DASHES = (0, (4, 3))

# Okabe & Ito, Color Universal Design (2008), most distinct first; black follows the ink.
BLUE, VERMILLION, GREEN, YELLOW = "#0072b2", "#d55e00", "#009e73", "#f0e442"
PALETTE = (BLUE, "#e69f00", GREEN, "#cc79a7", "#56b4e9", VERMILLION, YELLOW, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# Shapes of one nominal size differ in weight; these factors make them look alike.
WEIGHTS = {"s": 0.95, "^": 1.12, "v": 1.12, "D": 0.9, "P": 1.2, "X": 1.2, "*": 1.55}

_SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "harmonize_kit",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.color": INK,
    "text.parse_math": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}

_ALL_SETTINGS: dict[str, Any] = {**mpl.rcParamsDefault, **_SETTINGS}


def opacity(share: float) -> float:
    """Return how opaque a colour is that stands for ``share`` (0 to 1) of the largest value.

    Opacity instead of paler colours lets one figure stand on white and on black.
    """
    return 0.05 + 0.95 * share


@contextmanager
def styled() -> Generator[None]:
    """Draw in the report's style, whatever the user's matplotlib settings are.

    The measuring font lacks letters of many scripts; the reader's browser has them, so what
    matplotlib says about missing glyphs is of no concern here.
    """
    with cast(Any, mpl).rc_context(_ALL_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def site_style(number: int) -> tuple[str, str]:
    """Return colour and marker of the site at this place: unlike any of the 63 around it."""
    turn = number // len(PALETTE)
    return PALETTE[number % len(PALETTE)], MARKERS[(number + turn) % len(MARKERS)]


def edge_of(colour: str) -> str:
    """Return the colour of a point's rim: paper, to part neighbours; ink where paper hides it."""
    return QUIET if colour == YELLOW else PAPER
