"""What figures are made of: panels side by side, points that can be named, lines, legends.

matplotlib leaves its keyword arguments untyped; they stay in this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from harmonize_kit.report.drawing.style import LINE, PAPER, QUIET, WEIGHTS, edge_of
from harmonize_kit.report.text import shown

_PANEL = 2.2  # inches, of three in a row
_LARGE_PANEL = 2.9  # of one or two
_DASHES = (0, (4, 3))


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that belongs to no global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def new_panels(count: int, labels: tuple[str, str], legend_rows: int) -> tuple[Figure, list[Any]]:
    """Return a figure of square panels with common axes, up to three in a row."""
    columns = 2 if count == 4 else min(3, count)
    rows = -(-count // columns)
    panel = _PANEL if columns == 3 else _LARGE_PANEL
    figure = new_figure(columns * panel + 0.6, rows * (panel + 0.45) + 0.1 + 0.19 * legend_rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    every: list[Any] = list(cast(Any, grid).flat)
    for unused in every[count:]:
        unused.remove()
    for place, axes in enumerate(every[:count]):
        axes.set_box_aspect(1)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        if place + columns >= count:  # the lowest of its column
            axes.set_xlabel(labels[0])
            axes.tick_params(labelbottom=True)
        if place % columns == 0:
            axes.set_ylabel(labels[1])
    return figure, every[:count]


def name_panel(axes: Any, name: str) -> None:
    """Write the name of a candidate above its panel."""
    axes.set_title(shown(name, 32), loc="left")


def draw_points(
    axes: Any, points: NDArray[np.float64], colour: str, marker: str, size: float, gid: str
) -> None:
    """Draw points of shape (n, 2), in their order, as the group ``gid`` of the SVG."""
    axes.plot(
        points[:, 0],
        points[:, 1],
        linestyle="none",
        marker=marker,
        markersize=size * WEIGHTS.get(marker, 1.0),
        markerfacecolor=colour,
        markeredgecolor=edge_of(colour),
        markeredgewidth=0.35,
        clip_on=False,
        zorder=3,
        gid=gid,
    )


def draw_bar(axes: Any, interval: tuple[float, float], height: float, colour: str) -> None:
    """Draw an interval as a thick horizontal line."""
    axes.plot(interval, (height, height), color=colour, linewidth=1.8, zorder=2)


def draw_band(axes: Any, low: float, high: float, height: float) -> None:
    """Draw a range as a pale band behind everything else."""
    axes.barh(height, high - low, left=low, height=0.72, color=LINE, linewidth=0, zorder=0)


def draw_zero(axes: Any) -> None:
    """Draw both zero lines."""
    axes.axhline(0, color=LINE, linewidth=0.7, zorder=0)
    axes.axvline(0, color=LINE, linewidth=0.7, zorder=0)


def draw_level(axes: Any, level: float) -> None:
    """Draw a dashed vertical line."""
    axes.axvline(level, color=QUIET, linewidth=0.8, linestyle=_DASHES, zorder=1)


def draw_identity(axes: Any, low: float, high: float) -> None:
    """Draw the line on which nothing changed, and make both axes run from low to high."""
    ends = (low, high)
    axes.plot(ends, ends, color=QUIET, linewidth=0.8, linestyle=_DASHES, zorder=1)
    axes.set(xlim=ends, ylim=ends)


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


def level_key(label: str) -> Artist:
    """Return the legend entry of a dashed line."""
    return Line2D([], [], color=QUIET, linewidth=0.8, linestyle=_DASHES, label=label)


def draw_legend(figure: Any, entries: Sequence[Artist], columns: int) -> None:
    """Draw the legend above the panels."""
    figure.legend(
        handles=list(entries),
        loc="outside upper left",
        ncols=min(columns, len(entries)),
        handletextpad=0.5,
        columnspacing=1.4,
        borderpad=0,
        borderaxespad=0.2,
    )
