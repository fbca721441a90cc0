"""What the readers of a blinded study said of the candidates' images, and how they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from harmonize_kit.report.metric import two_decimals
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import MISSING, counted, fixed, percent, shown

Row = Mapping[str, Any]
_LEVEL, _DIFFERENCE, _PAIR = "level", "difference", "pair"


@dataclass(frozen=True)
class ReaderRatings:
    """A reader study, summarised.

    Parameters
    ----------
    readers : int
    n_items, n_answered : int
        Items of the study, and the sum over readers of the items they answered.
    estimates : tuple of mapping
        ``candidate, against, question, answer, kind, value, interval, n_cases, n_ratings``: the
        mean of a scale, or the share of an answer; ``level`` of images alone, ``difference`` to
        another candidate in the same cases, ``pair`` of images side by side.
    agreements : tuple of mapping
        ``question, kind, readers, coefficient, value, exact, n, interval``.
    seconds : float, optional
        Median time spent on an item.
    """

    readers: int
    n_items: int
    n_answered: int
    estimates: tuple[Row, ...]
    agreements: tuple[Row, ...]
    seconds: float | None = None


def ratings_lead(found: ReaderRatings) -> str:
    """Say who read how much, and what the intervals hold for."""
    asked = found.readers * found.n_items
    time = "" if found.seconds is None else f", in a median of {found.seconds:.0f} seconds each"
    return (
        f"{counted(found.readers, 'reader')} answered {found.n_answered:,} of {asked:,} showings "
        f"of {counted(found.n_items, 'item')}{time}, without knowing what they saw. Intervals are "
        "percentiles of a bootstrap over subjects with the readers kept: they hold for other cases "
        "read by these readers, and say nothing of other readers. Repeated showings count for the "
        "agreement of readers with themselves alone. Values are means of scales, and shares of the "
        "answer that is named; below them stands the 95 % interval."
    )


def ratings_tables(found: ReaderRatings) -> list[Table]:
    """Return answers by candidate, differences, preferences and agreement, where there are any."""
    tables = [
        _by_candidate(found.estimates, _LEVEL, "Images shown alone"),
        _by_candidate(found.estimates, _DIFFERENCE, "Difference in the same cases and readers"),
        _pairs(found.estimates),
        _agreement(found.agreements),
    ]
    return [table for table in tables if table is not None]


def ratings_document(found: ReaderRatings | None) -> dict[str, Any]:
    """Return the study as report.json holds it."""
    if found is None:
        return {}
    return {
        "readers": found.readers, "items": found.n_items, "answered": found.n_answered,
        "seconds": found.seconds, "estimates": [dict(row) for row in found.estimates],
        # Codes of readers are theirs.
        "agreements": [{**row, "readers": len(row["readers"])} for row in found.agreements],
    }  # fmt: skip


def _by_candidate(estimates: Sequence[Row], kind: str, caption: str) -> Table | None:
    chosen = [row for row in estimates if row["kind"] == kind]
    if not chosen:
        return None
    columns = list(dict.fromkeys((row["candidate"], row["against"]) for row in chosen))
    asked = list(dict.fromkeys((row["question"], row["answer"]) for row in chosen))
    by_place = {
        (row["question"], row["answer"], row["candidate"], row["against"]): row for row in chosen
    }
    rows = tuple(
        (text_cell(_question(*pair)), *(_estimate(by_place.get((*pair, *c))) for c in columns))
        for pair in asked
    )
    heads = (
        f"{shown(name)} less {shown(against)}" if against else shown(name)
        for name, against in columns
    )
    return Table(caption, ("Question", *heads), rows, kind="scores")


def _pairs(estimates: Sequence[Row]) -> Table | None:
    chosen = [row for row in estimates if row["kind"] == _PAIR]
    if not chosen:
        return None
    rows = tuple(
        (
            text_cell(f"{row['candidate']} beside {row['against']}"),
            text_cell(_question(row["question"], row["answer"])),
            _estimate(row),
        )
        for row in chosen
    )
    return Table("Images shown side by side", ("Pair", "Question and answer", "Share"), rows)


def _agreement(agreements: Sequence[Row]) -> Table | None:
    if not agreements:
        return None
    rows = tuple(
        (
            text_cell(row["question"]),
            text_cell(_who(row)),
            text_cell(row["coefficient"]),
            Cell(fixed(row["value"], 2), _interval(row, two_decimals)),
            Cell(percent(row["exact"])),
            Cell(f"{row['n']:,}"),
        )
        for row in agreements
    )
    head = ("Question", "Agreement", "Coefficient", "Value", "Same answer", "Items")
    notes = ("With oneself: the same item shown again. No value where all answers are the same.",)
    return Table("Agreement of readers", head, rows, notes=notes)


def _who(row: Row) -> str:
    return "with oneself" if row["kind"] == "intra" else f"of {len(row['readers'])} readers"


def _question(question: str, answer: str) -> str:
    return f"{question}: {answer}" if answer else question


def _estimate(row: Row | None) -> Cell:
    if row is None:
        return Cell(MISSING)
    write = percent if row["answer"] else two_decimals
    cases = counted(row["n_cases"], "case")
    return Cell(write(row["value"]), (*_interval(row, write), cases))


def _interval(row: Row, write: Any) -> tuple[str, ...]:
    interval = cast(tuple[float, float] | None, row["interval"])
    return () if interval is None else (f"{write(interval[0])} to {write(interval[1])}",)
