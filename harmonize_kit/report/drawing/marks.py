"""What panels hold: points that can be named, lines, bars, bands and curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from harmonize_kit.report.drawing.style import (
    BLUE,
    DASHES,
    LINE,
    PAPER,
    QUIET,
    WEIGHTS,
    edge_of,
    opacity,
)

_SHADES = 24


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


def draw_thin_bar(axes: Any, interval: tuple[float, float], height: float) -> None:
    """Draw a range as a thin horizontal line."""
    axes.plot(interval, (height, height), color=QUIET, linewidth=0.8, zorder=1)


def draw_common_range(axes: Any, low: float, high: float) -> None:
    """Draw a vertical band behind all lanes."""
    axes.axvspan(low, high, color=LINE, alpha=0.55, linewidth=0, zorder=0)


def draw_shares(axes: Any, left: float, share: float, height: float, colour: str) -> None:
    """Draw one part of a bar that is stacked from shares."""
    axes.barh(
        height, share, left=left, height=0.72, color=colour, edgecolor=PAPER, linewidth=0.6,
        zorder=1,
    )  # fmt: skip


def draw_triangle(
    axes: Any, matrix: NDArray[np.float64], largest: float, names: Sequence[str]
) -> None:
    """Draw a symmetric matrix below its diagonal as squares, the bluer the larger.

    Squares of one shade are one shape, so that a figure of many sites stays small.
    """
    shades = np.clip(np.round(_SHADES * matrix / (largest or 1.0)), 0, _SHADES)
    for step in np.unique(shades[np.isfinite(shades)]):
        places = np.argwhere(np.tril(shades == step, -1))
        squares = [_square(row, column) for row, column in places]
        if squares:
            path = Path.make_compound_path(*squares)
            axes.add_patch(
                PathPatch(path, color=BLUE, alpha=opacity(float(step) / _SHADES), linewidth=0)
            )
    count = len(names)
    size = 7.5 if count <= 12 else 6 if count <= 26 else 4.5
    axes.set_xticks(np.arange(count - 1) + 0.5, names[:-1], rotation=90, fontsize=size)
    axes.set_yticks(np.arange(1, count) + 0.5, names[1:], fontsize=size)
    axes.tick_params(length=0)
    axes.set(xlim=(0, count - 1), ylim=(count, 1), aspect="equal")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _square(row: int, column: int) -> Path:
    low, high = 0.03, 0.97
    corners = ((low, low), (high, low), (high, high), (low, high), (low, low))
    return Path([(column + x, row + y) for x, y in corners], closed=True)


def draw_band(axes: Any, low: float, high: float, height: float) -> None:
    """Draw a range as a pale band behind everything else."""
    axes.barh(height, high - low, left=low, height=0.72, color=LINE, linewidth=0, zorder=0)


def draw_density(axes: Any, heights: NDArray[np.float64], bins: NDArray[np.float64]) -> None:
    """Draw a histogram as a pale area."""
    axes.stairs(heights, bins, fill=True, color=LINE, linewidth=0, zorder=1)


def draw_steps(
    axes: Any, heights: NDArray[np.float64], bins: NDArray[np.float64], colour: str
) -> None:
    """Draw a histogram as a line."""
    axes.stairs(heights, bins, color=colour, linewidth=1.1, zorder=3)


def draw_outline(axes: Any, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Draw a dashed curve."""
    axes.plot(x, y, color=QUIET, linewidth=1.0, linestyle=DASHES, zorder=2)


def draw_ribbon(
    axes: Any, x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> None:
    """Draw a range along a curve as a pale area."""
    axes.fill_between(x, low, high, color=LINE, alpha=0.7, linewidth=0, zorder=0)


def draw_curve(
    axes: Any, x: NDArray[np.float64], y: NDArray[np.float64], colour: str | None
) -> None:
    """Draw a curve, dashed and quiet where it has no colour."""
    axes.plot(
        x, y, color=colour or QUIET, linewidth=1.6 if colour else 1.0,
        linestyle="solid" if colour else DASHES, zorder=2,
    )  # fmt: skip


def draw_cross(
    axes: Any,
    at: tuple[float, float],
    horizontal: tuple[float, float] | None,
    vertical: tuple[float, float] | None,
    colour: str,
) -> None:
    """Draw the intervals of a point in both directions."""
    if horizontal is not None:
        axes.plot(horizontal, (at[1], at[1]), color=colour, linewidth=1.2, alpha=0.75, zorder=2)
    if vertical is not None:
        axes.plot((at[0], at[0]), vertical, color=colour, linewidth=1.2, alpha=0.75, zorder=2)


def draw_front(axes: Any, points: Sequence[tuple[float, float]]) -> None:
    """Draw a dashed line through points."""
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=QUIET, linewidth=0.9, linestyle=DASHES, zorder=1)


def draw_zero(axes: Any) -> None:
    """Draw both zero lines."""
    axes.axhline(0, color=LINE, linewidth=0.7, zorder=0)
    axes.axvline(0, color=LINE, linewidth=0.7, zorder=0)


def draw_level(axes: Any, level: float) -> None:
    """Draw a dashed vertical line."""
    axes.axvline(level, color=QUIET, linewidth=0.8, linestyle=DASHES, zorder=1)


def draw_identity(axes: Any, low: float, high: float) -> None:
    """Draw the line on which nothing changed, and make both axes run from low to high."""
    ends = (low, high)
    axes.plot(ends, ends, color=QUIET, linewidth=0.8, linestyle=DASHES, zorder=1)
    axes.set(xlim=ends, ylim=ends)
