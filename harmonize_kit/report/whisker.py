"""A score as a line in its cell: value and interval over the null, on the scale of its row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harmonize_kit.core.scorecard import Score

WIDTH = 96.0  # pixels
_RIM = 4.0


@dataclass(frozen=True)
class Whisker:
    """Positions in pixels from the left; a range is its start and its length.

    Parameters
    ----------
    value : float
    interval, null : tuple of float, optional
    """

    value: float
    interval: tuple[float, float] | None = None
    null: tuple[float, float] | None = None


def scale_of(scores: Sequence[Score | None]) -> tuple[float, float] | None:
    """Return the smallest and largest number of a row, None where nothing can be drawn."""
    found = [number for score in scores if score is not None for number in _numbers(score)]
    if len(found) < 2 or min(found) == max(found):
        return None
    return min(found), max(found)


def whisker_of(score: Score, low: float, high: float) -> Whisker | None:
    """Return where a score lies between ``low`` and ``high``, None where it is no number."""
    if not math.isfinite(score.value):
        return None

    def place(number: float) -> float:
        return round(_RIM + (WIDTH - 2 * _RIM) * (number - low) / (high - low), 1)

    def span(ends: tuple[float, float] | None) -> tuple[float, float] | None:
        if ends is None or not all(math.isfinite(end) for end in ends):
            return None
        return place(ends[0]), round(max(place(ends[1]) - place(ends[0]), 0.0), 1)

    null = None if score.null is None else (score.null.low, score.null.high)
    return Whisker(place(score.value), span(score.interval), span(null))


def _numbers(score: Score) -> list[float]:
    numbers = [score.value, *(score.interval or ())]
    numbers += [] if score.null is None else [score.null.low, score.null.high]
    return [number for number in numbers if math.isfinite(number)]
