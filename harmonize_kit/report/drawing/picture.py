"""A finished figure: its two SVG forms, what it shows in words, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from harmonize_kit.report.drawing.style import styled
from harmonize_kit.report.drawing.svg import inline_svg, parse, standalone_svg, write_svg
from harmonize_kit.report.tables import Table


@dataclass(frozen=True)
class Picture:
    """One figure of the page.

    Parameters
    ----------
    key : str
        Name of its file and prefix of its ids.
    title, caption : str
        What it is, and how to read it.
    inline, standalone : str
        SVG for the page, and SVG that stands alone on white.
    table : Table
        The numbers behind it.
    """

    key: str
    title: str
    caption: str
    inline: str
    standalone: str
    table: Table


def finish(
    figure: Figure,
    key: str,
    title: str,
    caption: str,
    hover: Mapping[str, Sequence[str]],
    table: Table,
) -> Picture:
    """Write a drawn figure in both forms, with hover text on the points of each group in hover."""
    with styled():
        drawn = write_svg(figure)
    return Picture(
        key,
        title,
        caption,
        inline_svg(parse(drawn), key, title, caption, hover),
        standalone_svg(parse(drawn), key, title, caption, hover),
        table,
    )


def thinned(count: int, limit: int) -> list[int]:
    """Return at most ``limit`` of ``count`` ranks, evenly spaced, both ends among them."""
    if count <= limit:
        return list(range(count))
    return [round(step * (count - 1) / (limit - 1)) for step in range(limit)]
