"""Scores of one topic: a panel a metric, a lane a candidate, with intervals, nulls and chance."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.report.drawing.keys import band_key, bar_key, draw_legend, level_key
from harmonize_kit.report.drawing.marks import draw_band, draw_bar, draw_level, draw_points
from harmonize_kit.report.drawing.panels import label_lanes, new_grid
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import BLUE, QUIET, styled
from harmonize_kit.report.judgement import chance_level
from harmonize_kit.report.metrics import (
    direction_of,
    interval_text,
    label_of,
    metric_of,
    value_text,
)
from harmonize_kit.report.tables import metric_table
from harmonize_kit.report.text import percent, shown
from harmonize_kit.report.topics import Topic, columns_of

MAX_PANELS = 12
_BEFORE, _AFTER = (QUIET, "D"), (BLUE, "o")
_TITLE_LETTERS = 29


def draw_scores(card: Scorecard, topic: Topic, scores: Sequence[Score]) -> Picture | None:
    """Return the picture of a topic, None where no score of it is a number.

    Every panel has its own scale, since metrics differ in unit; lanes are the same in all.
    """
    chosen = [score for score in scores if np.isfinite(score.value)]
    table = metric_table(card, scores, topic.title)
    every = columns_of(chosen)
    columns = every[:MAX_PANELS]
    if not columns or table is None:
        return None
    lanes = [name for name in card.candidates if any(s.candidate == name for s in chosen)]
    hover: dict[str, list[str]] = {}
    with styled():
        figure, panels = new_grid(len(columns), len(lanes))
        for axes, column in zip(panels, columns, strict=True):
            found = [score for score in chosen if (score.metric, score.target) == column]
            hover |= _panel(axes, found, lanes, card, len(hover))
        label_lanes(panels, [shown(name, 22) for name in lanes])
        draw_legend(figure, _legend(chosen, card), 5)
    caption = " ".join(filter(None, (topic.reading, _reading(chosen))))
    if len(every) > len(columns):
        caption += f" The first {len(columns)} of {len(every)} measures are drawn; all are below."
    return finish(figure, f"scores_{topic.key}", topic.title, caption, hover, table)


def _panel(
    axes: Any, scores: Sequence[Score], lanes: Sequence[str], card: Scorecard, drawn: int
) -> dict[str, list[str]]:
    """Draw one metric, and return the hover text of each point."""
    hover: dict[str, list[str]] = {}
    title = "\n".join(textwrap.wrap(shown(label_of(scores[0]), 66), _TITLE_LETTERS))
    axes.set_title(title, loc="left")
    axes.set_xlabel(direction_of(scores[0]), fontsize=8, color=QUIET)
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    for score in scores:
        lane = lanes.index(score.candidate)
        look = _BEFORE if score.candidate == card.candidates[0] else _AFTER
        if score.null is not None and np.isfinite([score.null.low, score.null.high]).all():
            draw_band(axes, score.null.low, score.null.high, lane)
        if score.interval is not None and np.isfinite(score.interval).all():
            draw_bar(axes, score.interval, lane, look[0])
        gid = f"score-{drawn + len(hover)}"
        draw_points(axes, np.array([[score.value, lane]]), *look, 5.5, gid)
        hover[gid] = [_hover(score)]
    axes.use_sticky_edges = False
    if metric_of(scores[0]).write is percent:
        axes.xaxis.set_major_formatter(
            PercentFormatter(1.0, decimals=0, symbol="\N{NARROW NO-BREAK SPACE}%")
        )
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -0.02), max(high, 0.12))
    levels = {chance_level(score, card.about) for score in scores if score.null is None}
    for level in levels - {None}:
        assert level is not None
        draw_level(axes, level)
    return hover


def _hover(score: Score) -> str:
    interval = f" ({interval_text(score)})" if score.interval else ""
    return f"{shown(score.candidate)}, {shown(label_of(score))}: {value_text(score)}{interval}"


def _legend(scores: Sequence[Score], card: Scorecard) -> list[Any]:
    entries = [bar_key(shown(card.candidates[0], 22), *_BEFORE)]
    if len(card.candidates) > 1:
        entries.append(bar_key("afterwards", *_AFTER))
    if any(score.null for score in scores):
        entries.append(band_key("permutation"))
    if any(score.null is None and chance_level(score, card.about) is not None for score in scores):
        entries.append(level_key("chance"))
    return entries


def _reading(scores: Sequence[Score]) -> str:
    parts = ["Points are values"]
    if any(score.interval for score in scores):
        parts.append("bars their 95 % intervals over subjects")
    if any(score.null for score in scores):
        parts.append("grey bands the central 95 % of what permutation gives")
    return ", ".join(parts) + "."
