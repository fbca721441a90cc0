"""What the numbers allow to say: against chance, and against another candidate.

The wording is bound to the evidence. One rule says where a value lies against chance, wherever the
page speaks of it: a value inside the central 95 % of its null has *not been shown* to differ from
chance, which is not the same as being at chance; one above is more than chance; one below is no
better than one inside. The p value is shown as a number and decides nothing. Two candidates are
told apart only where their intervals do not overlap, which is a cautious rule and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sized
from enum import Enum
from typing import Any

from harmonize_kit.core.scorecard import Score
from harmonize_kit.report.metrics import metric_of

NO_BETTER = "below chance, which is no better"
BELOW_CHANCE = f"{NO_BETTER}: a correction fitted to the judged cases does this"


class Standing(Enum):
    """Where a value lies against chance."""

    ABOVE = "above chance"
    BELOW = "below chance"
    NOT_SHOWN = "not shown to differ from chance"
    UNKNOWN = "not compared with chance"


class Change(Enum):
    """Where a candidate's value lies against another's."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "no difference shown"
    BELOW = "below chance"
    UNKNOWN = "not compared"


def site_count(about: Mapping[str, Any]) -> int:
    """Return the number of sites that were compared, 0 where the comparison does not say."""
    sites: Sized = about.get("sites") or ()
    return len(sites)


def chance_level(score: Score, about: Mapping[str, Any]) -> float | None:
    """Return the value at chance: the mean of the null, or what theory says, or None."""
    if score.null is not None:
        return score.null.mean
    if score.metric.startswith("site_balanced_accuracy"):
        sites = site_count(about)
        return 1 / sites if sites > 1 else None
    return metric_of(score).level


def standing(score: Score, about: Mapping[str, Any]) -> Standing:
    """Say where a score lies against chance: its value against the band of its null.

    Without a null, its interval against the value at chance.
    """
    if score.null is not None:
        return _side((score.value, score.value), (score.null.low, score.null.high))
    level = chance_level(score, about)
    if level is None or score.interval is None:
        return Standing.UNKNOWN
    return _side(score.interval, (level, level))


def _side(found: tuple[float, float], chance: tuple[float, float]) -> Standing:
    if any(math.isnan(bound) for bound in (*found, *chance)):
        return Standing.UNKNOWN
    if found[0] > chance[1]:
        return Standing.ABOVE
    return Standing.BELOW if found[1] < chance[0] else Standing.NOT_SHOWN


def change(before: Score | None, after: Score | None) -> Change:
    """Say whether ``after`` is better or worse than ``before``: only if intervals are apart.

    A metric with an ideal value is better nearer to it, from whichever side.
    """
    if before is None or after is None or before.interval is None or after.interval is None:
        return Change.UNKNOWN
    first, second, higher = before.interval, after.interval, after.higher_is_better
    ideal = metric_of(after).ideal
    if ideal is not None:
        first, second, higher = _distance(first, ideal), _distance(second, ideal), False
    if second[0] > first[1]:
        return Change.BETTER if higher else Change.WORSE
    if second[1] < first[0]:
        return Change.WORSE if higher else Change.BETTER
    return Change.NOT_SHOWN if all(b == b for b in (*first, *second)) else Change.UNKNOWN


def _distance(interval: tuple[float, float], ideal: float) -> tuple[float, float]:
    """Return the least and the largest distance of an interval's values from the ideal one."""
    apart = sorted(abs(bound - ideal) for bound in interval)
    return (0.0 if interval[0] <= ideal <= interval[1] else apart[0], apart[1])


def change_against_chance(before: Score | None, after: Score, about: Mapping[str, Any]) -> Change:
    """Say how ``after`` compares with ``before``, where less of the site is better down to chance.

    A site score beyond chance, on the side where no site effect lies, is neither better nor worse,
    and coming back from there to chance is no loss.
    """
    moved = change(before, after)
    if after.family != "site":
        return moved
    where = standing(after, about)
    beyond = Standing.ABOVE if after.higher_is_better else Standing.BELOW
    if where is beyond:
        return Change.BELOW
    back = before is not None and standing(before, about) is beyond
    return Change.UNKNOWN if back and where is Standing.NOT_SHOWN else moved


def strongest(scores: list[Score], about: Mapping[str, Any]) -> tuple[Score, Standing]:
    """Return the score that tells most of the site, and where it stands against chance.

    One classifier above chance is enough to say that the site can be told, so the one with the
    strongest evidence speaks for the candidate, never the mildest.
    """
    ranks = [Standing.ABOVE, Standing.BELOW, Standing.NOT_SHOWN, Standing.UNKNOWN]
    judged = [(score, standing(score, about)) for score in scores]
    return min(judged, key=lambda item: (ranks.index(item[1]), -item[0].value))
