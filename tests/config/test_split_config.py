"""Choices of a split that are refused, and what fractions mean."""

from __future__ import annotations

from fractions import Fraction

import pytest
from pydantic import ValidationError

from harmonize_kit.config.split import SplitConfig


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"fractions": (0.7, 0.2)}, "add up to 1"),
        ({"fractions": (0.7, 0.3, 0.0)}, "between 0 and 1"),
        ({"fractions": (1.0,)}, "two fractions"),
        ({"fractions": (0.25,) * 4}, "two fractions"),
        ({"fractions": (float("nan"), 0.5)}, "between 0 and 1"),
        ({"stratify": ("site", "Site")}, "different columns"),
        ({"categorical": ("grade",)}, "by which nothing is stratified"),
        ({"folds": 1}, "greater than or equal to 2"),
        ({"bin": 3}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(choices: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SplitConfig.model_validate(choices)


def test_fractions_are_the_decimal_numbers_that_were_written() -> None:
    assert SplitConfig().shares == (Fraction(7, 10), Fraction(3, 20), Fraction(3, 20))
    thirds = SplitConfig(fractions=(0.333, 0.333, 0.333))
    assert thirds.shares == (Fraction(1, 3),) * 3
    assert thirds.parts == ("train", "validation", "test")
    assert SplitConfig(fractions=(0.8, 0.2)).parts == ("train", "test")
    assert SplitConfig(folds=3).parts == ("fold-1", "fold-2", "fold-3")
