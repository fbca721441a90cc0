"""What the numbers allow to say: against chance, and against another candidate.

The wording is bound to the evidence. A value whose interval or null takes in chance has *not been
shown* to differ from it, which is not the same as being at chance. A value below chance is no
better than one at chance: reversed information is information. Two candidates are told apart only
where their intervals do not overlap, which is a cautious rule and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from enum import Enum
from typing import Any

from harmonize_kit.core.scorecard import Score
from harmonize_kit.report.metrics import metric_of

SIGNIFICANT = 0.05


class Standing(Enum):
    """Where a value lies against chance."""

    ABOVE = "above chance"
    BELOW = "below chance"
    NOT_SHOWN = "no difference from chance shown"
    UNKNOWN = "not compared with chance"


class Change(Enum):
    """Where a candidate's value lies against another's."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "no difference shown"
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
    """Say where a score lies against chance, by its null or else by its interval."""
    level = chance_level(score, about)
    if level is None:
        return Standing.UNKNOWN
    if score.null is not None:
        if not score.null.p < SIGNIFICANT:
            return Standing.NOT_SHOWN
        return Standing.ABOVE if score.value > level else Standing.BELOW
    if score.interval is None:
        return Standing.UNKNOWN
    low, high = score.interval
    if low > level:
        return Standing.ABOVE
    return Standing.BELOW if high < level else Standing.NOT_SHOWN


def change(before: Score | None, after: Score | None) -> Change:
    """Say whether ``after`` is better or worse than ``before``: only if intervals are apart."""
    if before is None or after is None or before.interval is None or after.interval is None:
        return Change.UNKNOWN
    if after.interval[0] > before.interval[1]:
        return Change.BETTER if after.higher_is_better else Change.WORSE
    if after.interval[1] < before.interval[0]:
        return Change.WORSE if after.higher_is_better else Change.BETTER
    bounds = (*before.interval, *after.interval)
    return Change.NOT_SHOWN if all(bound == bound for bound in bounds) else Change.UNKNOWN


def strongest(scores: list[Score], about: Mapping[str, Any]) -> tuple[Score, Standing]:
    """Return the score that tells most of the site, and where it stands against chance.

    One classifier above chance is enough to say that the site can be told, so the one with the
    strongest evidence speaks for the candidate, never the mildest.
    """
    ranks = [Standing.ABOVE, Standing.BELOW, Standing.NOT_SHOWN, Standing.UNKNOWN]
    judged = [(score, standing(score, about)) for score in scores]
    return min(judged, key=lambda item: (ranks.index(item[1]), -item[0].value))
