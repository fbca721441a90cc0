"""The answers of the verdict, each for all candidates in one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.report.judgement import NO_BETTER, Standing, chance_level, standing
from harmonize_kit.report.metrics import metric_of, value_text
from harmonize_kit.report.text import listed, shown

KEPT, LOST = "no loss shown", "lost in part or whole"
STRONGER = "stronger than before (a gain or an artefact)"
SILENT = "not detected before or after"
_ORDER = (Standing.ABOVE, Standing.NOT_SHOWN, Standing.BELOW, Standing.UNKNOWN)


def site_lead(scores: Sequence[Score], card: Scorecard) -> str:
    """Say of all candidates whether the site can be told; one score a candidate.

    Parameters
    ----------
    scores : sequence of Score
        Balanced accuracies.
    card : Scorecard
    """
    said = {
        Standing.ABOVE: "the site can be told from {}",
        Standing.NOT_SHOWN: "the accuracy is not shown to differ from chance in {}",
        Standing.BELOW: f"{NO_BETTER}: {{}}",
        Standing.UNKNOWN: "of {} nothing can be said",
    }
    return _grouped(scores, card, said, "balanced accuracy")


def feature_lead(scores: Sequence[Score], card: Scorecard) -> str:
    """Say of all candidates whether single features go with site; one score a candidate.

    Parameters
    ----------
    scores : sequence of Score
        Median partial eta squared.
    card : Scorecard
    """
    said = {
        Standing.ABOVE: "single features differ between sites in {}",
        Standing.NOT_SHOWN: "η² is not shown to differ from chance in {}",
        Standing.BELOW: f"{NO_BETTER}: {{}}",
        Standing.UNKNOWN: "{} cannot be held against chance",
    }
    return _grouped(scores, card, said, "median partial η²")


def biology_lead(fates: Mapping[str, Mapping[str, str]]) -> str:
    """Say what became of biology.

    Parameters
    ----------
    fates : mapping
        By candidate and target: kept, lost, stronger, silent, or not judged.
    """
    parts: list[str] = []
    for fate in (LOST, STRONGER, KEPT, SILENT):
        targets: dict[str, list[str]] = {}
        for name, found in fates.items():
            for target, what in found.items():
                if what == fate:
                    targets.setdefault(target, []).append(shown(name))
        by_names: dict[tuple[str, ...], list[str]] = {}
        for target, names in targets.items():
            by_names.setdefault(tuple(names), []).append(target)
        parts += [
            f"{fate}: {listed(found, 6)} in {_all_or(names, fates)}"
            for names, found in by_names.items()
        ]
    return _sentence(parts)


def _all_or(names: Sequence[str], fates: Mapping[str, Mapping[str, str]]) -> str:
    everyone = len(names) == len(fates) and len(names) > 2
    return "every candidate" if everyone else listed(list(names), 6)


def _grouped(
    scores: Sequence[Score], card: Scorecard, said: Mapping[Standing, str], unit: str
) -> str:
    parts: list[str] = []
    for where in _ORDER:
        group = [score for score in scores if standing(score, card.about) is where]
        if group:
            names = [f"{shown(score.candidate)} ({value_text(score)})" for score in group]
            if not parts:  # the first number says what all of them are
                value = f"{unit} {value_text(group[0])}{_chance(group[0], card)}"
                names[0] = f"{shown(group[0].candidate)} ({value})"
            parts.append(said[where].replace("{}", listed(names, 8)))
    return _sentence(parts)


def _chance(score: Score, card: Scorecard) -> str:
    level = chance_level(score, card.about)
    return "" if level is None else f", by chance {metric_of(score).write(level)}"


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
