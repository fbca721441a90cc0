"""Agreement of readers: with themselves on repeated items, and with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from sklearn import metrics

from harmonize_kit.compare.rating_answers import PAIR, QuestionKind
from harmonize_kit.core.agreement import intraclass_correlation

KAPPA, WEIGHTED_KAPPA, ICC = "kappa", "quadratic weighted kappa", "ICC(2,1)"


@dataclass(frozen=True)
class RaterAgreement:
    """How far two readings of the same items agree.

    Parameters
    ----------
    question : str
    kind : str
        ``intra``: one reader, first and repeated showing; ``inter``: several readers.
    readers : tuple of str
        One for ``intra``, two or more for ``inter``.
    coefficient : str
        ``kappa`` (choices), ``quadratic weighted kappa`` or ``ICC(2,1)`` (scales).
    value : float or None
        None where all answers are the same, so that agreement beyond chance has no meaning.
    exact : float
        Share of items with the same answer; for several readers, the mean over their pairs.
    n : int
        Items.
    interval : tuple of float, optional
        95 %, of an intraclass correlation.
    """

    question: str
    kind: Literal["intra", "inter"]
    readers: tuple[str, ...]
    coefficient: str
    value: float | None
    exact: float
    n: int
    interval: tuple[float, float] | None = None


def intra_reader(answers: pd.DataFrame, question: str, kind: QuestionKind) -> list[RaterAgreement]:
    """Return the agreement of each reader with the same reader's answers to repeated items.

    Parameters
    ----------
    answers : DataFrame
        As :func:`harmonize_kit.compare.rating_answers.join_answers` returns them.
    question : str
    kind : str
    """
    found: list[RaterAgreement] = []
    asked = _by_role(answers[answers["question"] == question])
    for reader, own in asked.groupby("reader", sort=False):
        first = own.set_index("item")["answer"]
        again = own[(own["repeat_of"] != "") & own["repeat_of"].isin(first.index)]
        if len(again):
            pairs = list(first[again["repeat_of"]]), list(again["answer"])
            found.append(_agreement(question, "intra", (str(reader),), kind, *pairs))
    return found


def inter_reader(answers: pd.DataFrame, question: str, kind: QuestionKind) -> list[RaterAgreement]:
    """Return the agreement of each two readers, of all by Light's kappa, and by the ICC of scales.

    Light's kappa is the mean over pairs of readers (Light 1971, Psychological Bulletin 76:365).
    Items are those all readers in question answered, each by its first showing.

    Parameters
    ----------
    answers, question, kind
        As of :func:`intra_reader`.
    """
    asked = answers[(answers["question"] == question) & (answers["repeat_of"] == "")]
    table = _by_role(asked).pivot(index="item", columns="reader", values="answer")
    readers = [str(name) for name in dict.fromkeys(asked["reader"])]
    found: list[RaterAgreement] = []
    for pair in combinations(readers, 2):
        both = table[list(pair)].dropna()
        if len(both):
            columns = (list(both[name]) for name in pair)
            found.append(_agreement(question, "inter", pair, kind, *columns))
    told = [one.value for one in found if one.value is not None]
    complete = table.dropna()
    exact = float(np.mean([one.exact for one in found])) if found else 0.0
    group = (question, "inter", tuple(readers))
    if len(readers) > 2 and len(found) == len(told) and told:
        name = found[0].coefficient
        fewest = min(one.n for one in found)
        found.append(RaterAgreement(*group, name, float(np.mean(told)), exact, fewest))
    if kind == "scale" and len(readers) > 1 and len(complete) > 1:
        scores = complete[readers].astype(float).to_numpy()  # (items, readers)
        icc = intraclass_correlation(scores[:, :, None])
        value, low, high = (float(x[0]) for x in icc)
        if np.isfinite(value):
            between = (low, high) if np.isfinite([low, high]).all() else None
            found.append(RaterAgreement(*group, ICC, value, exact, len(complete), between))
    return found


def kappa(first: Sequence[str], second: Sequence[str], kind: QuestionKind) -> float | None:
    """Return Cohen's kappa of two readings, weighted by squared distance on a scale.

    Cohen 1960, Educational and Psychological Measurement 20:37, and 1968, Psychological Bulletin
    70:213. All steps of the scale count, those that nobody chose too, so that 1 and 5 stay four
    steps apart. None where both readings are one and the same answer throughout.

    Parameters
    ----------
    first, second : sequence of str, of one length
    kind : str
    """
    if len({*first, *second}) < 2:
        return None
    cohen_kappa = cast(Any, metrics).cohen_kappa_score
    if kind == "choice":
        return float(cohen_kappa(first, second))
    a, b = [int(x) for x in first], [int(x) for x in second]
    steps = list(range(min(*a, *b), max(*a, *b) + 1))
    return float(cohen_kappa(a, b, labels=steps, weights="quadratic"))


def _by_role(asked: pd.DataFrame) -> pd.DataFrame:
    """Return preferences as one for the candidate or the other, whatever these are called."""
    answer = asked["answer"]
    for role in ("candidate", "against"):
        answer = answer.where(
            (asked["kind"] != PAIR) | (asked["answer"] != asked[role]), f"<{role}>"
        )
    return asked.assign(answer=answer)


def _agreement(
    question: str,
    kind: Literal["intra", "inter"],
    readers: tuple[str, ...],
    of: QuestionKind,
    first: Sequence[str],
    second: Sequence[str],
) -> RaterAgreement:
    exact = float(np.mean([a == b for a, b in zip(first, second, strict=True)]))
    name = WEIGHTED_KAPPA if of == "scale" else KAPPA
    return RaterAgreement(
        question, kind, readers, name, kappa(first, second, of), exact, len(first)
    )
