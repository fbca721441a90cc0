"""Answers of readers joined with the key of their study: what was judged, by whom, how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import pandas as pd

from harmonize_kit.core.table import as_text
from harmonize_kit.errors import TableError

RATING_COLUMNS = ("study", "item", "reader", "question", "answer")
KEY_COLUMNS = ("study", "item", "kind", "candidate", "against", "left", "case", "repeat_of")
SINGLE, PAIR = "single", "pair"
LEFT, SAME, RIGHT = "left", "same", "right"
_SHOWN = 3
QuestionKind = Literal["scale", "choice"]


def join_answers(ratings: pd.DataFrame, key: pd.DataFrame) -> pd.DataFrame:
    """Return one row an answer: reader, question, answer, and what the item showed.

    A preference for the left or right image of a pair becomes one for the candidate that lay
    there; ``same`` stays.

    Parameters
    ----------
    ratings : DataFrame
        Rows of the readers' files, one after another: ``study, item, reader, question, answer``.
        Rows without a question (an item with a comment alone) are passed over, rows that occur
        twice count once.
    key : DataFrame
        Of the study: ``study, item, kind, candidate, against, left, case, repeat_of`` and, where
        cases are several of one subject, ``subject``.

    Returns
    -------
    DataFrame
        Columns ``item, reader, question, answer, kind, candidate, against, case, subject,
        repeat_of``, in the order of the readers' rows.

    Raises
    ------
    TableError
        If a column is missing, an item occurs twice in the key or not at all, ratings are of
        another study, an answer lacks a reader, or a reader gives two answers to one question.
    """
    table = _text(key, KEY_COLUMNS, "the key of the study")
    rows = _text(ratings, RATING_COLUMNS, "ratings")
    if "subject" not in table:
        table["subject"] = table["case"]
    repeated = table["item"][table["item"].duplicated()]
    if len(repeated):
        raise TableError(
            f"the key of the study: expected each item once, got {_named(repeated)} twice; use "
            "key.csv as it was written"
        )
    _require_one_study(rows, table)
    rows = rows[(rows["question"] != "") & (rows["answer"] != "")]
    if rows.empty:
        raise TableError("ratings: expected at least one answered question, got none")
    _require_known(rows, table)
    rows = rows.drop_duplicates(["reader", "item", "question", "answer"])
    twice = rows[rows.duplicated(["reader", "item", "question"])]
    if len(twice):
        one = twice.iloc[0]
        raise TableError(
            f"ratings: expected one answer of a reader to a question, got two of '{one['reader']}' "
            f"to '{one['question']}' of item '{one['item']}' ({len(twice)} such in all); give only "
            "the newest file of each reader"
        )
    shown = table.drop(columns="study").set_index("item")
    joined = rows.drop(columns="study").join(shown, on="item").reset_index(drop=True)
    joined["answer"] = [_preferred(row) for row in joined.to_dict("records")]
    kept = ("candidate", "against", "case", "subject", "repeat_of")
    return joined[["item", "reader", "question", "answer", "kind", *kept]]


def question_kinds(answers: pd.DataFrame) -> dict[str, QuestionKind]:
    """Tell scales from choices: a question all of whose answers are whole numbers is a scale.

    Raises
    ------
    TableError
        If some answers to a question are numbers and others are not.
    """
    kinds: dict[str, QuestionKind] = {}
    for question, group in answers.groupby("question", sort=False):
        numbers = [_is_whole(str(text)) for text in group["answer"]]
        if any(numbers) and not all(numbers):
            odd = next(t for t, number in zip(group["answer"], numbers, strict=True) if not number)
            raise TableError(
                f"ratings: expected numbers as the other answers to '{question}', got '{odd}'; "
                "give the files as the page exported them"
            )
        kinds[str(question)] = "scale" if all(numbers) else "choice"
    return kinds


def _preferred(row: Mapping[Any, Any]) -> str:
    answer = str(row["answer"])
    if row["kind"] != PAIR or answer not in (LEFT, RIGHT):
        return answer
    other = row["against"] if row["left"] == row["candidate"] else row["candidate"]
    return str(row["left"] if answer == LEFT else other)


def _require_one_study(rows: pd.DataFrame, table: pd.DataFrame) -> None:
    studies = set(table["study"])
    if len(studies) != 1:
        raise TableError(
            f"the key of the study: expected the items of one study, got those of {len(studies)}; "
            "use key.csv as it was written"
        )
    strangers = rows[~rows["study"].isin(studies)]
    if len(strangers):
        readers = _named(strangers["reader"].drop_duplicates())
        raise TableError(
            f"ratings of {readers} are of study '{strangers['study'].iloc[0]}', the key of study "
            f"'{studies.pop()}'; give the key that was written beside the page they read"
        )


def _require_known(rows: pd.DataFrame, table: pd.DataFrame) -> None:
    unknown = rows["item"][~rows["item"].isin(table["item"])].drop_duplicates()
    if len(unknown):
        raise TableError(
            f"ratings: item {_named(unknown)} is not in the key of the study; give the files as "
            "the page exported them"
        )
    if (rows["reader"] == "").any():
        raise TableError("ratings: expected a reader in every row, got an empty one; fill it in")


def _text(frame: pd.DataFrame, needed: Iterable[str], what: str) -> pd.DataFrame:
    missing = [name for name in needed if name not in frame]
    if missing:
        raise TableError(
            f"{what}: expected a column '{missing[0]}', got {', '.join(map(str, frame.columns))}"
        )
    cells = {str(name): [as_text(cell).strip() for cell in frame[name]] for name in frame}
    return pd.DataFrame(cells, dtype=object)


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in listed[:_SHOWN]) + more


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()
