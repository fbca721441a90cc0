"""Notes of scores as footnotes: each said once, with letters where it does not hold throughout.

A note that holds for every score of a table needs no letter, one that holds for a whole column
has it on the column's heading, any other on the values it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, product
from string import ascii_lowercase

from harmonize_kit.core.scorecard import Score
from harmonize_kit.report.text import shown

Column = tuple[str, str]  # metric and target


@dataclass
class Footnotes:
    """The sentences below a table, and the letters that lead to them.

    Parameters
    ----------
    lines : list of str
        In the order they are printed.
    columns : dict of (metric, target) to str
        Letters of headings.
    values : dict of (candidate, metric, target) to str
        Letters of values.
    """

    lines: list[str] = field(default_factory=list[str])
    columns: dict[Column, str] = field(default_factory=dict[Column, str])
    values: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])


def footnotes(scores: Sequence[Score]) -> Footnotes:
    """Return the footnotes of one table; a note is one or several sentences parted by ``;``."""
    holds: dict[str, list[Score]] = {}
    for score in scores:
        for sentence in filter(None, score.note.split("; ")):
            holds.setdefault(sentence, []).append(score)
    result = Footnotes()
    letters = chain(ascii_lowercase, map("".join, product(ascii_lowercase, repeat=2)))
    for sentence, where in holds.items():
        text = f"{shown(sentence[0].upper() + sentence[1:]).rstrip('.')}."
        if len(where) == len(scores):
            result.lines.append(text)
        else:
            letter = next(letters, "*")
            _mark(result, letter, where, scores)
            result.lines.append(f"{letter}: {text}")
    return result


def _mark(result: Footnotes, letter: str, where: Sequence[Score], scores: Sequence[Score]) -> None:
    """Put the letter on each column whose scores all have the note, else on the scores."""
    for column in dict.fromkeys((score.metric, score.target) for score in where):
        having = [score for score in where if (score.metric, score.target) == column]
        if len(having) == sum((score.metric, score.target) == column for score in scores):
            result.columns[column] = _joined(result.columns.get(column), letter)
            continue
        for score in having:
            place = (score.candidate, *column)
            result.values[place] = _joined(result.values.get(place), letter)


def _joined(letters: str | None, letter: str) -> str:
    return f"{letters} {letter}" if letters else letter
