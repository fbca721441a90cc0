"""Legends and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harmonize_kit.report.drawing.style import DASHES, LINE, PAPER, QUIET, WEIGHTS, edge_of


def point_key(label: str, colour: str, marker: str) -> Artist:
    """Return the legend entry of points; a leading underscore would hide it."""
    label = f" {label}" if label.startswith("_") else label
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=marker,
        markersize=5 * WEIGHTS.get(marker, 1.0),
        color=colour,
        mec=edge_of(colour),
        mew=0.4,
        label=label,
    )


def bar_key(label: str, colour: str, marker: str) -> Artist:
    """Return the legend entry of points with intervals."""
    return Line2D(
        [], [], linewidth=1.8, marker=marker, markersize=6, color=colour, mec=PAPER, label=label
    )


def band_key(label: str) -> Artist:
    """Return the legend entry of bands."""
    return Patch(facecolor=LINE, linewidth=0, label=label)


def line_key(label: str, colour: str) -> Artist:
    """Return the legend entry of a curve."""
    return Line2D([], [], color=colour, linewidth=1.4, label=label)


def patch_key(label: str, colour: str, alpha: float = 1.0) -> Artist:
    """Return the legend entry of an area; a leading underscore would hide it."""
    label = f" {label}" if label.startswith("_") else label
    return Patch(facecolor=colour, alpha=alpha, linewidth=0, label=label)


def level_key(label: str) -> Artist:
    """Return the legend entry of a dashed line."""
    return Line2D([], [], color=QUIET, linewidth=0.8, linestyle=DASHES, label=label)


def draw_legend(figure: Any, entries: Sequence[Artist], columns: int) -> None:
    """Draw the legend above the panels, to be read row by row."""
    columns = max(1, columns)
    figure.legend(
        handles=[entry for column in range(columns) for entry in entries[column::columns]],
        loc="outside upper left",
        ncols=min(columns, len(entries)),
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0,
        borderaxespad=0.2,
    )
