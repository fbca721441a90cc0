"""Signs that a candidate took more than the site, or merely pressed it out of sight."""

from __future__ import annotations

from collections.abc import Sequence

from harmonize_kit.core.scorecard import Score

FORCED = ("site_balanced_accuracy_linear", "site_balanced_accuracy_nonlinear")
LEVEL = 0.05
BIOLOGY = ("effect_concordance", "r2", "auc")


def over_harmonization(scores: Sequence[Score]) -> list[str]:
    """Return a sentence for every candidate that shows a sign of over-harmonization.

    Held-out sites guessed less often than exchanged sites are: more was taken out of a site than
    its held-out cases bear out. Biology weaker than in the first candidate, with intervals apart:
    it went with the site, or with the method.

    Parameters
    ----------
    scores : sequence of Score
        Of all candidates, the first of which is the state before.
    """
    names = list(dict.fromkeys(score.candidate for score in scores))
    before = {(s.metric, s.target): s for s in scores if s.candidate == names[0]} if names else {}
    found: list[str] = []
    for name in names:
        own = [score for score in scores if score.candidate == name]
        if any(s.metric in FORCED and _below(s) for s in own):
            found.append(
                f"candidate '{name}': held-out sites are told less often than exchanged ones, "
                "which is no better than chance: more is taken out of a site than belongs to it"
            )
        for score in own if name != names[0] else []:
            first = before.get((score.metric, score.target))
            if score.metric not in BIOLOGY or first is None:
                continue
            if score.interval and first.interval and score.interval[1] < first.interval[0]:
                found.append(
                    f"candidate '{name}': '{score.target}' is weaker than in '{names[0]}' "
                    f"({score.metric} {score.value:.2f} against {first.value:.2f}): biology went "
                    "with the site"
                )
    return found


def _below(score: Score) -> bool:
    null = score.null
    return null is not None and score.value < null.low and null.p <= LEVEL
