"""Ratings of a blinded reader study: what readers think of each candidate, and how they agree.

The unit is the case, or the subject where subjects have several. Intervals are percentiles of a
bootstrap over subjects with the readers kept (Efron and Tibshirani 1993, An Introduction to the
Bootstrap, chapter 13): cases are random, readers are fixed, so what is found holds for other cases
read by these readers. To speak of other readers as well takes many readers and another analysis
(Obuchowski and Rockette 1995, Communications in Statistics - Simulation and Computation 24:285).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from harmonize_kit.compare.rater_agreement import RaterAgreement, inter_reader, intra_reader
from harmonize_kit.compare.rating_answers import PAIR, SINGLE, join_answers, question_kinds
from harmonize_kit.compare.resampling import percentile_interval

EstimateKind = Literal["level", "difference", "pair"]


@dataclass(frozen=True)
class RatingEstimate:
    """What readers answer to one question about one candidate.

    Parameters
    ----------
    candidate : str
    against : str
        The candidate it is held against; empty for a ``level``.
    question : str
    answer : str
        Whose share ``value`` is; empty where ``value`` is the mean of a scale. Of a preference it
        is the name of the preferred candidate, or ``same``.
    kind : str
        ``level``: of the candidate's images shown alone. ``difference``: of that, less the other
        candidate's, in the same cases and readers. ``pair``: of images shown side by side.
    value : float
    interval : tuple of float, optional
        95 %, over subjects; None of a single one.
    n_cases, n_ratings : int
        Cases, and answers of readers, behind the value.
    """

    candidate: str
    against: str
    question: str
    answer: str
    kind: EstimateKind
    value: float
    interval: tuple[float, float] | None
    n_cases: int
    n_ratings: int


@dataclass(frozen=True)
class RatingSummary:
    """What a reader study found.

    Parameters
    ----------
    study : str
        Its digest.
    readers : tuple of str
    n_items, n_answered : int
        Items of the study, and the sum over readers of the items they answered.
    estimates : tuple of RatingEstimate
    agreements : tuple of RaterAgreement
    seconds : float, optional
        Median time spent on an item; None where no time was kept.
    """

    study: str
    readers: tuple[str, ...]
    n_items: int
    n_answered: int
    estimates: tuple[RatingEstimate, ...]
    agreements: tuple[RaterAgreement, ...]
    seconds: float | None = None


def summarize_ratings(
    ratings: pd.DataFrame, key: pd.DataFrame, *, bootstraps: int = 1000, seed: int = 0
) -> RatingSummary:
    """Summarise the ratings of one or several readers by candidate and question.

    A case counts once however many readers saw it: answers are averaged over readers, then over
    cases. Differences are taken within reader and case before that, so that neither a strict
    reader nor a hard case tells for or against a candidate. Repeated items serve the agreement of
    readers with themselves alone.

    Parameters
    ----------
    ratings : DataFrame
        Rows of the readers' ``ratings.csv``, one file after another (``pd.concat``): ``study,
        item, reader, question, answer``, and ``seconds`` where it was kept. Cells may be text.
    key : DataFrame
        ``key.csv`` of the study.
    bootstraps : int
        Draws of every interval; 0 makes none.
    seed : int

    Returns
    -------
    RatingSummary

    Raises
    ------
    TableError
        If a column is missing, an item is unknown, ratings are of another study than the key, a
        reader gives two answers to one question of an item, or numbers and words are mixed.
    """
    answers = join_answers(ratings, key)
    kinds = question_kinds(answers)
    first = answers[answers["repeat_of"] == ""]
    estimates: list[RatingEstimate] = []
    agreements: list[RaterAgreement] = []
    for question, kind in kinds.items():
        asked = first[first["question"] == question]
        for answer, scored in _scored(asked, kind == "scale"):
            estimates += _levels(scored, question, answer, bootstraps, seed)
            estimates += _differences(scored, question, answer, bootstraps, seed)
            estimates += _pairs(scored, question, answer, bootstraps, seed)
        agreements += intra_reader(answers, question, kind)
        agreements += inter_reader(answers, question, kind)
    return RatingSummary(
        str(key["study"].iloc[0]),
        tuple(str(name) for name in dict.fromkeys(answers["reader"])),
        len(key),
        len(answers.drop_duplicates(["reader", "item"])),
        tuple(estimates),
        tuple(agreements),
        _median_seconds(ratings),
    )


def _scored(asked: pd.DataFrame, scale: bool) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the answers as numbers: a scale as it is, a choice as yes or no to each answer."""
    if scale:
        yield "", asked.assign(score=asked["answer"].astype(float))
        return
    for answer in sorted(set(asked["answer"])):
        yield str(answer), asked.assign(score=(asked["answer"] == answer).astype(float))


def _levels(
    scored: pd.DataFrame, question: str, answer: str, bootstraps: int, seed: int
) -> Iterator[RatingEstimate]:
    alone = scored[scored["kind"] == SINGLE]
    for candidate, own in alone.groupby("candidate", sort=False):
        yield _estimate(
            own, (str(candidate), "", question, answer), "level", len(own), bootstraps, seed
        )


def _differences(
    scored: pd.DataFrame, question: str, answer: str, bootstraps: int, seed: int
) -> Iterator[RatingEstimate]:
    alone = scored[scored["kind"] == SINGLE]
    by = ["reader", "case"]
    held = alone[alone["against"] != ""]
    for (candidate, against), own in held.groupby(["candidate", "against"], sort=False):
        other = alone[alone["candidate"] == against].groupby(by)["score"].mean()
        both = own.join(other.rename("other"), on=by, how="inner")
        both = both.assign(score=both["score"] - both["other"])
        if len(both):
            name = (str(candidate), str(against), question, answer)
            yield _estimate(both, name, "difference", 2 * len(both), bootstraps, seed)


def _pairs(
    scored: pd.DataFrame, question: str, answer: str, bootstraps: int, seed: int
) -> Iterator[RatingEstimate]:
    together = scored[scored["kind"] == PAIR]
    for (candidate, against), own in together.groupby(["candidate", "against"], sort=False):
        # Another pair's candidate is no answer that could be given here.
        if answer in {*scored["candidate"], *scored["against"]} - {candidate, against}:
            continue
        name = (str(candidate), str(against), question, answer)
        yield _estimate(own, name, "pair", len(own), bootstraps, seed)


def _estimate(
    own: pd.DataFrame,
    name: tuple[str, str, str, str],
    kind: EstimateKind,
    n_ratings: int,
    bootstraps: int,
    seed: int,
) -> RatingEstimate:
    cases = own.groupby("case", sort=True).agg(
        score=("score", "mean"), subject=("subject", "first")
    )
    values = cases["score"].to_numpy(dtype=np.float64)
    people, codes = np.unique(cases["subject"].to_numpy(dtype=str), return_inverse=True)
    interval = None
    if len(people) > 1 and bootstraps:
        rng = np.random.default_rng([seed, 5])
        share = np.full(len(people), 1 / len(people))
        weights = rng.multinomial(len(people), share, size=bootstraps)[:, codes]  # (b, cases)
        interval = percentile_interval(weights @ values / weights.sum(axis=1))
    return RatingEstimate(*name, kind, float(values.mean()), interval, len(values), n_ratings)


def _median_seconds(ratings: pd.DataFrame) -> float | None:
    if "seconds" not in ratings:
        return None
    spent = pd.to_numeric(ratings["seconds"], errors="coerce")
    by_item = spent.groupby([ratings["reader"], ratings["item"]]).max().dropna()
    return float(by_item.median()) if len(by_item) else None
