"""Figures of panels: square with common axes, lanes with scales of their own, many small ones.

matplotlib leaves its keyword arguments untyped; they stay in this file, in marks and in keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harmonize_kit.report.drawing.style import INK
from harmonize_kit.report.text import shown

_PANEL = 2.2  # inches, of three in a row
_LARGE_PANEL = 2.9  # of one or two


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
    height = (
        rows * (panel + (0.2 if columns < 3 and rows == 1 else 0.45)) + 0.1 + 0.19 * legend_rows
    )
    figure = new_figure(columns * panel + 0.6, height)
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


def new_grid(count: int, lanes: int, columns: int = 3) -> tuple[Figure, list[Any]]:
    """Return a figure of panels with the same horizontal lanes and scales of their own."""
    columns = min(columns, count)
    rows = -(-count // columns)
    width = (5.6, 6.8, 7.2)[columns - 1]
    figure = new_figure(width, rows * (0.85 + 0.2 * lanes) + 0.35)
    every: list[Any] = list(cast(Any, figure.subplots(rows, columns, squeeze=False)).flat)
    for unused in every[count:]:
        unused.remove()
    cast(Any, figure.get_layout_engine()).set(w_pad=0.09, h_pad=0.07)
    for axes in every[:count]:
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8.5)
        axes.set_yticks([])
    return figure, every[:count]


def new_small_panels(count: int, label: str, columns: int = 6) -> tuple[Figure, list[Any]]:
    """Return a figure of many small panels with one horizontal axis and no vertical one."""
    columns = min(columns, count)
    rows = -(-count // columns)
    wide, high = (1.2, 0.95) if columns > 4 else (1.7, 1.25)
    figure = new_figure(max(3.4, wide * columns + 0.2), rows * high + 0.65)
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    every: list[Any] = list(cast(Any, grid).flat)
    for unused in every[count:]:
        unused.remove()
    for place, axes in enumerate(every[:count]):
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.title.set_fontsize(8)
        axes.tick_params(labelbottom=place + columns >= count, labelsize=7.5)
    cast(Any, figure).supxlabel(label, fontsize=9, color=INK)
    return figure, every[:count]


def new_squares(count: int, rows_of_squares: int) -> tuple[Figure, list[Any]]:
    """Return a figure of matrices, two in a row where each has many rows, else three."""
    columns = min(2 if rows_of_squares > 12 else 3, count)
    rows = -(-count // columns)
    side = 3.4 if columns < 3 else 2.5
    figure = new_figure(columns * side + 0.7, rows * (side + 0.25))
    every: list[Any] = list(cast(Any, figure.subplots(rows, columns, squeeze=False)).flat)
    for unused in every[count:]:
        unused.remove()
    return figure, every[:count]


def label_lanes(panels: Sequence[Any], names: Sequence[str], columns: int = 3) -> None:
    """Write the names of the lanes beside the first panel of each row."""
    for place in range(0, len(panels), min(columns, len(panels))):
        panels[place].set_yticks(range(len(names)), names)


def name_panel(axes: Any, name: str) -> None:
    """Write the name of a candidate above its panel."""
    axes.set_title(shown(name, 32), loc="left")
