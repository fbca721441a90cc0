"""The verdict: three questions, each answered in plain sentences computed from the scores.

Can the site still be told from the features? How much of each feature goes with site? Is the
biology kept? Then one sentence on what no such page can show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.report.judgement import (
    BELOW_CHANCE,
    Change,
    Standing,
    chance_level,
    change,
    change_against_chance,
    site_count,
    standing,
    strongest,
)
from harmonize_kit.report.lead import (
    KEPT,
    LOST,
    SILENT,
    STRONGER,
    biology_lead,
    feature_lead,
    site_lead,
)
from harmonize_kit.report.metrics import interval_text, metric_of, null_band_text, value_text
from harmonize_kit.report.text import counted, listed, shown

_WHAT = {"auc": "AUC", "r2": "R²", "association_median": "median association"}
_SILENT = {Standing.NOT_SHOWN, Standing.BELOW}


@dataclass(frozen=True)
class Answer:
    """One question of the verdict.

    Parameters
    ----------
    question : str
    before : str
        The sentence on the first candidate.
    after : tuple of (str, str)
        Name and sentence of each other candidate.
    lead : str
        The answer for all candidates in one plain sentence.
    """

    question: str
    before: str
    after: tuple[tuple[str, str], ...] = ()
    lead: str = ""


def verdict(card: Scorecard) -> list[Answer]:
    """Return the three answers, leaving out a question the scores do not speak to."""
    answers = [_site(card), _features(card), _biology(card)]
    return [answer for answer in answers if answer is not None]


def cannot_show(about: Mapping[str, Any]) -> str:
    """Return the sentence that bounds every other sentence of the page."""
    cases, sites = about.get("n_cases"), site_count(about)
    size = f" with {counted(cases, 'case')}" if isinstance(cases, int) else ""
    size += f" from {counted(sites, 'site')}" if sites else ""
    return (
        "This report cannot show that no site effect is left, only that these tests"
        f"{size} did or did not find one; where sites differ in the people they scanned it cannot "
        "tell site from biology, and it says nothing of sites that are not in it."
    )


def _site(card: Scorecard) -> Answer | None:
    found = {name: _accuracies(card, name) for name in card.candidates}
    first, *others = card.candidates or [""]
    if not found.get(first):
        return None
    before, where = strongest(found[first], card.about)
    sentence = f"In {shown(first)}, {_accuracy(before, card.about)}: {_SITE[where]}."
    after: list[tuple[str, str]] = []
    for name in others:
        if found[name]:
            score, where = strongest(found[name], card.about)
            against = _against(before, score, card)
            after.append((name, f"{_accuracy(score, card.about)}: {_SITE[where]}{against}."))
    lead = site_lead(
        [strongest(scores, card.about)[0] for scores in found.values() if scores], card
    )
    return Answer("Can the site still be told from the features?", sentence, tuple(after), lead)


_SITE = {
    Standing.ABOVE: "the site can be told",
    Standing.BELOW: BELOW_CHANCE,
    Standing.NOT_SHOWN: Standing.NOT_SHOWN.value,
    Standing.UNKNOWN: "without an interval or a null, nothing can be said of chance",
}


def _accuracies(card: Scorecard, name: str) -> list[Score]:
    return [
        score
        for score in card
        if score.candidate == name and score.metric.startswith("site_balanced_accuracy")
        if score.value == score.value
    ]


def _accuracy(score: Score, about: Mapping[str, Any]) -> str:
    kind = score.metric.removeprefix("site_balanced_accuracy").strip("_")
    interval = f"95 % interval {interval_text(score)}" if score.interval else "no interval"
    named = f"a {kind} classifier names the site" if kind else "the site is named"
    level = _level(score, about)
    return f"{named} with balanced accuracy {value_text(score)} ({interval}{level})"


def _level(score: Score, about: Mapping[str, Any]) -> str:
    if score.null is not None:
        return f"; permuted sites give {null_band_text(score)}"
    chance = chance_level(score, about)
    return "" if chance is None else f"; chance {metric_of(score).write(chance)}"


def _against(before: Score, after: Score, card: Scorecard) -> str:
    first = before.candidate
    said = {
        Change.BETTER: f"; less than in {shown(first)}",
        Change.WORSE: f"; more than in {shown(first)}",
        Change.NOT_SHOWN: f"; no difference from {shown(first)} shown",
    }
    return said.get(change_against_chance(before, after, card.about), "")


def _features(card: Scorecard) -> Answer | None:
    first, *others = card.candidates or [""]
    before = card.find(first, "site_partial_eta_squared_median")
    if before is None:
        return None
    sentence = f"In {shown(first)}, {_share(card, before)}."
    after: list[tuple[str, str]] = []
    for name in others:
        score = card.find(name, "site_partial_eta_squared_median")
        if score is not None:
            after.append((name, f"{_share(card, score)}{_against(before, score, card)}."))
    shares = [card.find(name, "site_partial_eta_squared_median") for name in card.candidates]
    lead = feature_lead([score for score in shares if score is not None], card)
    return Answer("How much of each feature goes with site?", sentence, tuple(after), lead)


def _share(card: Scorecard, score: Score) -> str:
    interval = f"95 % interval {interval_text(score)}" if score.interval else "no interval"
    level = _level(score, card.about)
    text = f"site accounts for a median partial η² of {value_text(score)} ({interval}{level})"
    fraction = card.find(score.candidate, "site_significant_fraction")
    if fraction is not None:
        text += f", and {value_text(fraction)} of features differ between sites"
    where = standing(score, card.about)
    return text if where is Standing.UNKNOWN else f"{text}: {_FEATURES[where]}"


_FEATURES = {
    Standing.ABOVE: "a site effect is found",
    Standing.BELOW: BELOW_CHANCE,
    Standing.NOT_SHOWN: Standing.NOT_SHOWN.value,
}


def _biology(card: Scorecard) -> Answer | None:
    first, *others = card.candidates or [""]
    targets = list(dict.fromkeys(score.target for score in card if score.family == "biology"))
    start = {target: _primary(card, first, target) for target in targets}
    known = [score for score in start.values() if score is not None]
    if not known:
        return None
    values = listed([_measured(score, card.about) for score in known], 6)
    sentence = f"In {shown(first)}, the features show {values}."
    after = tuple((name, _kept(card, start, name)) for name in others)
    fates = {name: _fates(card, start, name) for name in others}
    return Answer("Is the biology kept?", sentence, after, biology_lead(fates))


def _primary(card: Scorecard, name: str, target: str) -> Score | None:
    for metric in _WHAT:
        score = card.find(name, metric, target)
        if score is not None and score.value == score.value:
            return score
    return None


def _measured(score: Score, about: Mapping[str, Any]) -> str:
    where = standing(score, about)
    told = [interval_text(score)] if score.interval else []
    told += [where.value] if where in _SILENT else []
    inside = f" ({', '.join(told)})" if told else ""
    return f"{shown(score.target)} with {_WHAT[score.metric]} {value_text(score)}{inside}"


def _fates(card: Scorecard, start: Mapping[str, Score | None], name: str) -> dict[str, str]:
    """Return what became of each target in a candidate."""
    fates: dict[str, str] = {}
    for target, before in start.items():
        after = card.find(name, before.metric, target) if before is not None else None
        if before is not None and after is not None:
            fates[shown(target)] = _fate(before, after, card.about)
    return fates


def _kept(card: Scorecard, start: Mapping[str, Score | None], name: str) -> str:
    groups: dict[str, list[str]] = {}
    for target, before in start.items():
        after = card.find(name, before.metric, target) if before is not None else None
        if before is None or after is None:
            continue
        groups.setdefault(_fate(before, after, card.about), []).append(
            f"{shown(target)} ({_WHAT[after.metric]} {value_text(after)}"
            + (f", {interval_text(after)}" if after.interval else "")
            + ")"
        )
    parts = [f"{fate} for {listed(names, 6)}" for fate, names in groups.items()]
    return "; ".join(parts) + "." if parts else "not measured."


def _fate(before: Score, after: Score, about: Mapping[str, Any]) -> str:
    moved = change(before, after)
    if standing(before, about) in _SILENT and standing(after, about) in _SILENT:
        return SILENT
    said = {Change.BETTER: STRONGER, Change.WORSE: LOST, Change.NOT_SHOWN: KEPT}
    return said.get(moved, "not judged (no interval)")
