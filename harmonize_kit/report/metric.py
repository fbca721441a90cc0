"""How a metric is named, explained and written on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harmonize_kit.report.text import fixed, significant


@dataclass(frozen=True)
class Metric:
    """How a metric is named, explained and written.

    Parameters
    ----------
    label : str
        Name in words.
    meaning : str
        What it measures, for a reader who meets it first.
    chance : str
        What it gives where there is nothing to find.
    write : callable
        Turns a value into the text that is shown.
    level : float, optional
        Value at chance, where it is the same in every study.
    ideal : float, optional
        Value that is aimed at, where neither more nor less is better without end.
    topic : str
        Key of the topic it is shown under, see :mod:`harmonize_kit.report.topics`; empty for what
        else there is of its family.
    by_target : bool, optional
        Whether its target belongs to its name; otherwise it does outside the site family.
    """

    label: str
    meaning: str
    chance: str
    write: Callable[[float | None], str] = significant
    level: float | None = None
    ideal: float | None = None
    topic: str = ""
    by_target: bool | None = None


def two_decimals(value: float | None) -> str:
    """Return a number with two decimals."""
    return fixed(value, 2)
