"""Ratings of a reader study against hand computation, scikit-learn and what cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from harmonize_kit.compare.ratings import RatingEstimate, RatingSummary, summarize_ratings
from harmonize_kit.core.agreement import intraclass_correlation
from harmonize_kit.errors import TableError

STUDY = "rs-0123456789abcdef"
CASES = ("p1", "p2", "p3")


def make_key() -> pd.DataFrame:
    """Three cases, each alone in raw and gan, and side by side; p1's raw once more."""
    rows: list[dict[str, str]] = []
    for case in CASES:
        shared = {"study": STUDY, "case": case, "repeat_of": ""}
        rows.append(shared | {"item": f"{case}r", "kind": "single", "candidate": "raw"})
        alone = {"item": f"{case}g", "kind": "single", "candidate": "gan", "against": "raw"}
        rows.append(shared | alone)
        left = "raw" if case == "p2" else "gan"
        pair = {"kind": "pair", "candidate": "gan", "against": "raw", "left": left}
        rows.append(shared | pair | {"item": f"{case}p"})
    again = {"item": "x", "kind": "single", "candidate": "raw", "case": "p1", "repeat_of": "p1r"}
    rows.append(again | {"study": STUDY})
    return pd.DataFrame(rows).fillna("")


def answered(reader: str, question: str, answers: dict[str, object]) -> pd.DataFrame:
    rows = [
        {"study": STUDY, "item": item, "reader": reader, "question": question, "answer": answer}
        for item, answer in answers.items()
    ]
    return pd.DataFrame(rows).astype({"answer": object})


RATINGS = pd.concat(
    [
        answered("A", "quality", {"p1r": 5, "p2r": 4, "p3r": 3, "p1g": 4, "p2g": 2, "p3g": 3}),
        answered("A", "quality", {"x": 4}),
        answered("B", "quality", {"p1r": 3, "p2r": 4, "p3r": 1, "p1g": 2, "p2g": 2}),
        answered("A", "preferred", {"p1p": "left", "p2p": "left", "p3p": "same"}),
        answered("B", "preferred", {"p1p": "right", "p2p": "left", "p3p": "left"}),
        answered("A", "invented", {"p1r": "no", "p1g": "yes", "p2g": "yes", "p3g": "unsure"}),
    ],
    ignore_index=True,
)


@pytest.fixture(scope="module")
def found() -> RatingSummary:
    return summarize_ratings(RATINGS, make_key(), bootstraps=200)


def estimate(found: RatingSummary, kind: str, question: str, who: str, answer: str = "") -> Any:
    asked: list[RatingEstimate] = [
        one
        for one in found.estimates
        if (one.kind, one.question, one.candidate, one.answer) == (kind, question, who, answer)
    ]
    (one,) = asked
    return one


def test_levels_are_means_over_readers_then_cases(found: RatingSummary) -> None:
    raw = estimate(found, "level", "quality", "raw")
    assert raw.value == pytest.approx(np.mean([(5 + 3) / 2, (4 + 4) / 2, (3 + 1) / 2]))
    assert (raw.n_cases, raw.n_ratings) == (3, 6)  # the repeated item counts for nothing here
    gan = estimate(found, "level", "quality", "gan")
    assert gan.value == pytest.approx(np.mean([(4 + 2) / 2, (2 + 2) / 2, 3]))
    assert estimate(found, "level", "invented", "gan", "yes").value == pytest.approx(2 / 3)
    assert estimate(found, "level", "invented", "gan", "unsure").value == pytest.approx(1 / 3)
    assert estimate(found, "level", "invented", "raw", "yes").value == 0
    assert (found.readers, found.n_items, found.study) == (("A", "B"), 10, STUDY)


def test_differences_are_taken_within_reader_and_case(found: RatingSummary) -> None:
    one = estimate(found, "difference", "quality", "gan")
    # Case 3 was read in both by A alone, so that B's low mark for raw does not enter.
    assert one.value == pytest.approx(np.mean([(-1 - 1) / 2, (-2 - 2) / 2, 0.0]))
    assert (one.against, one.n_cases, one.n_ratings) == ("raw", 3, 10)


def test_preferences_follow_the_candidate_not_the_side(found: RatingSummary) -> None:
    # p1: A gan, B raw; p2: both raw, which lies left there; p3: A same, B gan.
    for answer, share in (("gan", 1 / 3), ("raw", 0.5), ("same", 1 / 6)):
        one = estimate(found, "pair", "preferred", "gan", answer)
        assert one.value == pytest.approx(share)
        assert one.against == "raw"


def test_intervals_are_quantiles_of_means_of_drawn_cases(found: RatingSummary) -> None:
    one = estimate(found, "level", "quality", "raw")
    draws = np.random.default_rng([0, 5]).multinomial(3, [1 / 3] * 3, size=200)
    expected = np.quantile(draws @ np.array([4.0, 4.0, 2.0]) / 3, [0.025, 0.975])
    assert one.interval == pytest.approx(tuple(expected))
    key = make_key().assign(subject="one person")
    alone = summarize_ratings(RATINGS, key, bootstraps=200)
    assert {e.interval for e in alone.estimates} == {None}  # one subject varies with nobody
    assert summarize_ratings(RATINGS, make_key(), bootstraps=200) == found


def test_agreement_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    items = [f"i{k}" for k in range(30)]
    truth = rng.integers(1, 6, 30)
    marks = {
        name: np.clip(truth + rng.integers(-1, 2, 30), 1, 5).astype(int).tolist() for name in "ABC"
    }
    key = pd.DataFrame(
        {"study": STUDY, "item": items, "kind": "single", "candidate": "raw", "against": "",
         "left": "", "case": items, "repeat_of": ""}
    )  # fmt: skip
    files = [
        answered(name, "quality", dict(zip(items, m, strict=True))) for name, m in marks.items()
    ]
    found = summarize_ratings(pd.concat(files), key, bootstraps=0)
    values = {(one.coefficient, one.readers): one for one in found.agreements}
    expected = {
        (a, b): cohen_kappa_score(marks[a], marks[b], weights="quadratic", labels=range(1, 6))
        for a, b in ("AB", "AC", "BC")
    }
    for pair, value in expected.items():
        assert values["quadratic weighted kappa", pair].value == pytest.approx(value)
    everyone = ("A", "B", "C")
    light = values["quadratic weighted kappa", everyone]
    assert light.value == pytest.approx(np.mean(list(expected.values())))
    icc = values["ICC(2,1)", everyone]
    table = np.array([marks[name] for name in everyone], dtype=float).T[:, :, None]
    reference = intraclass_correlation(table)
    assert icc.value == pytest.approx(float(reference.value[0]))
    assert icc.interval == pytest.approx((float(reference.low[0]), float(reference.high[0])))
    assert icc.n == 30


def test_a_gap_in_the_scale_stays_a_gap() -> None:
    """Answers 1, 2 and 5 are one and three steps apart though nobody chose 3 or 4."""
    key = make_key()
    files = [
        answered("A", "q", {"p1r": 1, "p2r": 2, "p3r": 5}),
        answered("B", "q", {"p1r": 2, "p2r": 1, "p3r": 5}),
    ]
    (one, _) = summarize_ratings(pd.concat(files), key).agreements
    # 1 - sum of squared distances over that expected by chance: 1 - (1 + 1) / (52 / 3).
    squares = sum((a - b) ** 2 for a in (1, 2, 5) for b in (2, 1, 5)) / 3
    assert one.value == pytest.approx(1 - 2 / squares)


def test_readers_agree_with_themselves_on_what_is_shown_again(found: RatingSummary) -> None:
    (one,) = [agreement for agreement in found.agreements if agreement.kind == "intra"]
    assert (one.readers, one.question, one.n, one.exact) == (("A",), "quality", 1, 0.0)
    same = pd.concat([RATINGS[RATINGS["item"] != "x"], answered("A", "quality", {"x": 5})])
    (one,) = [a for a in summarize_ratings(same, make_key()).agreements if a.kind == "intra"]
    assert (one.exact, one.value) == (1.0, None)  # agreement beyond chance of one answer: none


def test_files_of_one_reader_may_overlap_but_not_contradict() -> None:
    again = pd.concat([RATINGS, RATINGS.head(4)])
    assert summarize_ratings(again, make_key()) == summarize_ratings(RATINGS, make_key())
    with pytest.raises(TableError, match="two of 'A' to 'quality' of item 'p1r'"):
        summarize_ratings(pd.concat([RATINGS, answered("A", "quality", {"p1r": 1})]), make_key())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.assign(item="nowhere"), "'nowhere' is not in the key"),
        (lambda r: r.assign(study="rs-f"), "of study 'rs-f', the key of study 'rs-0123"),
        (lambda r: r.drop(columns="reader"), "a column 'reader'"),
        (lambda r: r.assign(reader=" "), "a reader in every row"),
        (lambda r: r.assign(answer=""), "at least one answered question"),
        (lambda r: r.assign(answer=["good", *r["answer"][1:]]), "'quality', got 'good'"),
    ],
)
def test_what_cannot_be_is_said(change: Any, sentence: str) -> None:
    with pytest.raises(TableError, match=sentence):
        summarize_ratings(change(RATINGS), make_key())


def test_a_key_names_each_item_once() -> None:
    key = make_key()
    with pytest.raises(TableError, match="got 'p1r' twice"):
        summarize_ratings(RATINGS, pd.concat([key, key.head(1)]))
