"""Site prediction of every candidate against chance, with intervals and permutation nulls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist

from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.report.drawing.keys import band_key, bar_key, draw_legend, level_key
from harmonize_kit.report.drawing.marks import draw_band, draw_bar, draw_level, draw_points
from harmonize_kit.report.drawing.panels import new_figure
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import BLUE, INK, QUIET, VERMILLION, styled
from harmonize_kit.report.judgement import BELOW_CHANCE, Standing, chance_level
from harmonize_kit.report.metrics import interval_text, metric_of, value_text
from harmonize_kit.report.tables import metric_table
from harmonize_kit.report.text import shown

SITE_PREDICTION = "site_balanced_accuracy"
_LOOKS = ((BLUE, "o"), (VERMILLION, "s"), (QUIET, "D"))
_TITLE = "How well the site is predicted from the features"
_CAPTION = (
    "Points are balanced accuracy in held-out cases, bars their 95 % intervals, grey bands the "
    "central 95 % of what permuted sites give. Right of its band the site can be told; a point "
    f"inside it is {Standing.NOT_SHOWN.value}; a point left of it is {BELOW_CHANCE}."
)


def draw_site_prediction(card: Scorecard) -> Picture | None:
    """Return the picture, None where no classifier was tried."""
    scores = [
        score
        for score in card
        if score.metric.startswith(SITE_PREDICTION) and score.value == score.value
    ]
    metrics = list(dict.fromkeys(score.metric for score in scores))[: len(_LOOKS)]
    candidates = [
        name for name in card.candidates if any(score.candidate == name for score in scores)
    ]
    table = metric_table(card, scores, "Site prediction")
    if table is None or not metrics:
        return None
    hover: dict[str, list[str]] = {}
    with styled():
        step = len(metrics) + 0.8
        figure = new_figure(6.6, 0.95 + 0.25 * step * len(candidates))
        axes: Any = figure.add_subplot()
        for score in scores:
            if score.metric in metrics:
                lane = candidates.index(score.candidate) * step + metrics.index(score.metric)
                gid = f"point-{len(hover)}"
                _draw(axes, score, lane, _LOOKS[metrics.index(score.metric)], gid)
                hover[gid] = [_hover(score)]
        middles = [place * step + (len(metrics) - 1) / 2 for place in range(len(candidates))]
        _axes(axes, middles, candidates)
        axes.set_ylim(step * len(candidates) - 0.3, -0.9)
        level = chance_level(replace(scores[0], null=None), card.about)
        if level is not None:
            draw_level(axes, level)
        draw_legend(figure, _legend(metrics, scores), 5)
    return finish(figure, "site_prediction", _TITLE, _CAPTION, hover, table)


def _axes(axes: Any, middles: list[float], candidates: list[str]) -> None:
    axes.set_yticks(middles, [shown(name, 32) for name in candidates])
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=9)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("balanced accuracy")


def _draw(axes: Any, score: Score, lane: float, look: tuple[str, str], gid: str) -> None:
    if score.null is not None:
        draw_band(axes, score.null.low, score.null.high, lane)
    if score.interval is not None:
        draw_bar(axes, score.interval, lane, look[0])
    draw_points(axes, np.array([[score.value, lane]]), *look, 6, gid)


def _hover(score: Score) -> str:
    interval = f" ({interval_text(score)})" if score.interval else ""
    return f"{shown(score.candidate)}, {metric_of(score).label}: {value_text(score)}{interval}"


def _legend(metrics: list[str], scores: list[Score]) -> list[Artist]:
    labels = {score.metric: metric_of(score).label for score in scores}
    entries = [
        bar_key(labels[metric].removeprefix("Site prediction, "), *look)
        for metric, look in zip(metrics, _LOOKS, strict=False)
    ]
    if any(score.null for score in scores):
        entries.append(band_key("permuted sites"))
    return [*entries, level_key("chance")]
