"""Where each candidate stands between removing the site and preserving biology.

Two axes and no sum of them: a table without any content is perfectly free of site, and the raw
table keeps all biology, so a single number could only hide which of the two a method bought with
the other. The Pareto front holds the candidates that no other beats on both axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harmonize_kit.core.scorecard import Score

PROBES = ("site_balanced_accuracy_linear", "site_balanced_accuracy_nonlinear")
VARIANCE = ("site_partial_eta_squared_median",)
CONCORDANCE = "effect_concordance"
REMOVAL = (
    "1 where no classifier tells the site better than permuted sites allow, 0 where it is always "
    "told; the better of the two classifiers counts"
)
REMOVAL_OF_VARIANCE = (
    "1 where site explains no more of a feature than permuted sites do, 0 where it explains all; "
    "median over features"
)
PRESERVATION = (
    "concordance of the covariates' effects with those within sites, mean over covariates: 1 where "
    "all are kept in size and sign, 0 where none is"
)


@dataclass(frozen=True)
class Position:
    """One candidate on the plane.

    Parameters
    ----------
    candidate : str
    removal, preservation : float
        In [0, 1], higher is better.
    removal_interval, preservation_interval : tuple of float, optional
    front : bool
        Whether no other candidate is at least as good on both axes and better on one.
    """

    candidate: str
    removal: float
    preservation: float
    removal_interval: tuple[float, float] | None
    preservation_interval: tuple[float, float] | None
    front: bool = False


def plane(scores: Sequence[Score]) -> list[Position]:
    """Return the position of every candidate that has both axes, in the order of the scores.

    A candidate without a feature that varies has no site score and therefore no position. The
    interval of the mean over covariates runs from the mean of the lower ends to that of the upper
    ones, which is the widest it can be.

    Parameters
    ----------
    scores : sequence of Score
    """
    names = list(dict.fromkeys(score.candidate for score in scores))
    probes = PROBES if any(score.metric in PROBES for score in scores) else VARIANCE
    found: list[Position] = []
    for name in names:
        own = [score for score in scores if score.candidate == name]
        left = [_left(score) for score in own if score.metric in probes]
        kept = [_kept(score) for score in own if score.metric == CONCORDANCE]
        if not left or not kept:
            continue
        worst = max(left, key=lambda ends: ends[1])
        low, middle, high = (float(1 - worst[end]) for end in (2, 1, 0))
        least, mean, most = (float(np.mean([ends[end] for ends in kept])) for end in range(3))
        found.append(
            Position(
                name,
                middle,
                mean,
                None if np.isnan(low) else (low, high),
                None if np.isnan(least) else (least, most),
            )
        )
    front = pareto_front([(position.removal, position.preservation) for position in found])
    return [
        Position(
            p.candidate, p.removal, p.preservation, p.removal_interval, p.preservation_interval, on
        )
        for p, on in zip(found, front, strict=True)
    ]


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell which points no other dominates: none as good on both axes and better on one."""
    return [
        not any(
            other[0] >= point[0] and other[1] >= point[1] and other != point for other in points
        )
        for point in points
    ]


def describe_plane(scores: Sequence[Score]) -> dict[str, object]:
    """Return axes and positions as plain objects, empty without positions."""
    positions = plane(scores)
    if not positions:
        return {}
    probed = any(score.metric in PROBES for score in scores)
    return {
        "removal": REMOVAL if probed else REMOVAL_OF_VARIANCE,
        "preservation": PRESERVATION,
        "points": [
            {
                "candidate": position.candidate,
                "removal": position.removal,
                "removal_interval": _plain(position.removal_interval),
                "preservation": position.preservation,
                "preservation_interval": _plain(position.preservation_interval),
                "front": position.front,
            }
            for position in positions
        ],
    }


def _plain(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _left(score: Score) -> tuple[float, float, float]:
    """Return low end, value and high end of what is left above chance, each in [0, 1]."""
    chance = score.null.mean if score.null is not None else 0.0
    return _ends(score, lambda value: (value - chance) / max(1 - chance, 1e-12))


def _kept(score: Score) -> tuple[float, float, float]:
    return _ends(score, lambda value: value)


def _ends(score: Score, scale: Callable[[float], float]) -> tuple[float, float, float]:
    low, high = score.interval or (np.nan, np.nan)
    found = [float(np.clip(scale(value), 0, 1)) for value in (low, score.value, high)]
    return found[0], found[1], found[2]
