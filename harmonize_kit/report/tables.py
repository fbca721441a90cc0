"""Tables as the page draws them, and the tables of scores."""

from __future__ import annotations

from collections import Counter
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


@dataclass(frozen=True)
class Cell:
    """One cell: its text, quieter lines below it, a mark beside it, and a number to sort by."""

    text: str
    below: tuple[str, ...] = ()
    mark: str = ""
    tone: str = ""
    sort: str = ""
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A captioned table; the first cell of each row is the row's heading.

    ``groups`` are headings over runs of columns, each with the number of columns it spans.
    """

    caption: str
    head: tuple[str | Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = ""


def text_cell(text: object) -> Cell:
    """Return a cell that holds words."""
    return Cell(shown(text), number=False)


def score_table(card: Scorecard, scores: Iterable[Score], caption: str) -> Table | None:
    """Return candidates x metrics with intervals and nulls, None where there is no such score."""
    chosen = list(scores)
    targets = list(dict.fromkeys(score.target for score in chosen))
    columns = sorted(
        dict.fromkeys((score.metric, score.target) for score in chosen),
        key=lambda column: targets.index(column[1]),
    )
    if not columns:
        return None
    notes = footnotes(chosen)
    by_place = {(score.candidate, score.metric, score.target): score for score in chosen}
    label = {score.metric: shown(metric_of(score).label) for score in chosen}
    head = tuple(
        Cell(label[column[0]], mark=notes.columns.get(column, ""), tone="letter")
        for column in columns
    )
    rows = tuple(
        (
            text_cell(name),
            *(
                score_cell(by_place.get((name, *column)), notes.values.get((name, *column), ""))
                for column in columns
            ),
        )
        for name in card.candidates
    )
    small = "Below each value: its 95 % interval over subjects"
    small += ", then what permutation gives." if any(score.null for score in chosen) else "."
    groups = () if chosen[0].family == "site" else _by_target(columns)
    return Table(caption, (Cell("Candidate"), *head), rows, groups, (small, *notes.lines))


def _by_target(columns: Iterable[tuple[str, str]]) -> tuple[tuple[str, int], ...]:
    spans = Counter(target for _, target in columns)
    return (("", 1), *((shown(target), span) for target, span in spans.items()))


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
    columns = list(dict.fromkeys((score.metric, score.target) for score in card))
    first = (card.candidates or [""])[0]
    rows: list[tuple[Cell, ...]] = []
    for metric, target in columns:
        before = card.find(first, metric, target)
        scores = [card.find(name, metric, target) for name in card.candidates]
        example = next(score for score in scores if score is not None)
        heading = Cell(shown(label_of(example)), (direction_of(example),), number=False)
        rows.append((heading, *(_compared(before, score, card) for score in scores)))
    notes = (
        f"Better, worse and no difference shown are said against {shown(first)}, and only where "
        "the 95 % intervals do not overlap; a difference may exist where none is shown.",
    )
    if any(NO_BETTER in cell.mark for row in rows for cell in row):
        notes += (f"{BELOW_CHANCE.capitalize()}.",)
    head = ("Metric", *(shown(name) for name in card.candidates))
    return Table("Every metric for every candidate", head, tuple(rows), (), notes, "compare")


_WORDS = {
    Change.BETTER: ("✓ better", "good"),
    Change.WORSE: ("✗ worse", "bad"),
    Change.NOT_SHOWN: ("no difference shown", ""),
    Change.BELOW: (NO_BETTER, ""),
    Change.UNKNOWN: ("", ""),
}


def _compared(before: Score | None, score: Score | None, card: Scorecard) -> Cell:
    if score is None:
        return Cell(MISSING)
    below = (_unbroken(interval_text(score)),) if score.interval else ()
    moved = change_against_chance(before, score, card.about)
    if score.candidate == card.candidates[0] and moved is not Change.BELOW:
        moved = Change.UNKNOWN
    return Cell(value_text(score), below, *_WORDS[moved])


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
