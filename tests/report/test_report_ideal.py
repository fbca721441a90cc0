"""A metric that aims at a value is better nearer to it, from either side."""

from __future__ import annotations

import pytest

from harmonize_kit.core.scorecard import Score
from harmonize_kit.report.judgement import Change, change


def slope(low: float, high: float) -> Score:
    return Score(
        "any", "biology", "effect_slope", "age", (low + high) / 2, True, interval=(low, high)
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0.5, 0.6), (0.9, 1.1), Change.BETTER),
        ((0.9, 1.1), (1.4, 1.6), Change.WORSE),  # exaggerated
        ((1.4, 1.6), (0.95, 1.05), Change.BETTER),
        ((0.5, 0.7), (1.2, 1.6), Change.NOT_SHOWN),  # as far, from the other side
        ((0.9, 1.1), (0.3, 0.5), Change.WORSE),
        ((0.9, 1.1), (float("nan"), 1.0), Change.UNKNOWN),
    ],
)
def test_nearer_to_the_ideal_is_better(
    before: tuple[float, float], after: tuple[float, float], expected: Change
) -> None:
    assert change(slope(*before), slope(*after)) is expected
