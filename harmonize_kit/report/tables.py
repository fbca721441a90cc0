"""Tables as the page draws them, and the tables of scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.report.footnotes import footnotes
from harmonize_kit.report.judgement import (
    BELOW_CHANCE,
    NO_BETTER,
    Change,
    change_against_chance,
)
from harmonize_kit.report.metrics import (
    direction_of,
    interval_text,
    label_of,
    metric_of,
    null_text,
    value_text,
)
from harmonize_kit.report.text import MISSING, p_value, shown
from harmonize_kit.report.topics import by_topic, columns_of
from harmonize_kit.report.whisker import Whisker, scale_of, whisker_of

_SORTABLE = 8  # rows from which sorting helps


@dataclass(frozen=True)
class Cell:
    """One cell: its text, quieter lines below it, a mark beside it, and a number to sort by."""

    text: str
    below: tuple[str, ...] = ()
    mark: str = ""
    tone: str = ""
    sort: str = ""
    number: bool = True
    whisker: Whisker | None = None


@dataclass(frozen=True)
class Table:
    """A captioned table; the first cell of each row is the row's heading.

    Parameters
    ----------
    caption : str
    head : tuple of str or Cell
    rows : tuple of tuple of Cell
    groups : tuple of (str, int)
        Headings over runs of columns, each with the number of columns it spans.
    notes : tuple of str
        Lines below.
    kind : str
        Classes of the style sheet.
    parts : tuple of (str, int)
        Headings over runs of rows, each with the number of rows; none for one run of all rows.
    """

    caption: str
    head: tuple[str | Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = ""
    parts: tuple[tuple[str, int], ...] = ()

    @property
    def classes(self) -> str:
        """Classes of the style sheet; a long table of one part can be sorted."""
        long = len(self.rows) >= _SORTABLE and not self.parts
        return f"{self.kind} sort".strip() if long else self.kind

    @property
    def bodies(self) -> list[tuple[str, tuple[tuple[Cell, ...], ...]]]:
        """Heading and rows of each part."""
        found: list[tuple[str, tuple[tuple[Cell, ...], ...]]] = []
        start = 0
        for heading, length in self.parts or (("", len(self.rows)),):
            found.append((heading, self.rows[start : start + length]))
            start += length
        return found


def text_cell(text: object) -> Cell:
    """Return a cell that holds words."""
    return Cell(shown(text), number=False)


def metric_table(card: Scorecard, scores: Iterable[Score], caption: str) -> Table | None:
    """Return metrics x candidates with intervals and nulls, None where there is no such score."""
    chosen = list(scores)
    if not chosen:
        return None
    notes = footnotes(chosen)
    by_place = {(score.candidate, score.metric, score.target): score for score in chosen}
    example = {(score.metric, score.target): score for score in reversed(chosen)}
    rows = tuple(
        (
            Cell(
                shown(label_of(example[column])),
                (direction_of(example[column]),),
                mark=notes.columns.get(column, ""),
                tone="letter",
                number=False,
            ),
            *(
                score_cell(by_place.get((name, *column)), notes.values.get((name, *column), ""))
                for name in card.candidates
            ),
        )
        for column in columns_of(chosen)
    )
    small = "Below each value: its 95 % interval over subjects"
    small += ", then what permutation gives." if any(score.null for score in chosen) else "."
    head = ("Measure", *(shown(name) for name in card.candidates))
    return Table(caption, head, rows, (), (small, *notes.lines), "scores")


def score_cell(score: Score | None, letters: str = "") -> Cell:
    """Return the value, its interval, and its null with the p value, parted where lines may."""
    if score is None:
        return Cell(MISSING)
    below = [_unbroken(interval_text(score))] if score.interval else []
    if score.null is not None:
        mean, _, spread = null_text(score).partition(" (")
        p = _unbroken(p_value(score.null.p))
        below.append(f"{_unbroken(f'null {mean}')} {_unbroken(f'({spread}')}, {p}")
    return Cell(value_text(score), tuple(below), letters, "letter")


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def comparison_table(card: Scorecard) -> Table:
    """Return metrics x candidates: each value, and what may be said of it against the first."""
    first = (card.candidates or [""])[0]
    rows: list[tuple[Cell, ...]] = []
    parts: list[tuple[str, int]] = []
    for topic, chosen in by_topic(card).items():
        columns = columns_of(chosen)
        parts.append((topic.title, len(columns)))
        for metric, target in columns:
            scores = [card.find(name, metric, target) for name in card.candidates]
            example = next(score for score in scores if score is not None)
            heading = Cell(shown(label_of(example)), (direction_of(example),), number=False)
            before = card.find(first, metric, target)
            scale = scale_of(scores)
            rows.append((heading, *(_compared(before, score, card, scale) for score in scores)))
    notes = (
        f"Better, worse and no difference shown are said against {shown(first)}, and only where "
        "the 95 % intervals do not overlap; a difference may exist where none is shown. Lines: "
        "value and interval on the scale of their row, grey what permutation gives.",
    )
    if any(NO_BETTER in cell.mark for row in rows for cell in row):
        notes += (f"{BELOW_CHANCE.capitalize()}.",)
    head = ("Metric", *(shown(name) for name in card.candidates))
    return Table(
        "Every metric for every candidate", head, tuple(rows), (), notes, "compare", tuple(parts)
    )


_WORDS = {
    Change.BETTER: ("✓ better", "good"),
    Change.WORSE: ("✗ worse", "bad"),
    Change.NOT_SHOWN: ("no difference shown", ""),
    Change.BELOW: (NO_BETTER, ""),
    Change.UNKNOWN: ("", ""),
}


def _compared(
    before: Score | None, score: Score | None, card: Scorecard, scale: tuple[float, float] | None
) -> Cell:
    if score is None:
        return Cell(MISSING)
    below = (_unbroken(interval_text(score)),) if score.interval else ()
    moved = change_against_chance(before, score, card.about)
    if score.candidate == card.candidates[0] and moved is not Change.BELOW:
        moved = Change.UNKNOWN
    drawn = None if scale is None else whisker_of(score, *scale)
    return Cell(value_text(score), below, *_WORDS[moved], sort=_sort(score.value), whisker=drawn)


def _sort(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def meaning_table(card: Scorecard) -> Table:
    """Return what each metric is, which way is good, and what chance gives."""
    first = {score.metric: score for score in reversed(card.scores)}
    rows = tuple(
        tuple(
            Cell(text, number=False)
            for text in (
                metric_of(score).label,
                metric_of(score).meaning or "Not described here.",
                direction_of(score),
                metric_of(score).chance or MISSING,
            )
        )
        for score in dict.fromkeys(first[score.metric] for score in card)
    )
    head = ("Metric", "What it is", "Good direction", "At chance")
    return Table("How to read the metrics", head, rows, kind="prose wide")
