"""Decisions and measures as rows of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from harmonize_kit.core.shown import shown

_MOST_ROWS = 80
_MOST_VALUES = 12
_SHORT = 18  # rows; several such tables stand side by side
_LONGEST = 300


@dataclass(frozen=True)
class Table:
    """A caption, headings, and rows whose first cell names them."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def decided_tables(decided: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Return one table a stage, of what it decided."""
    tables: list[Table] = []
    for stage, record in decided.items():
        rows = [(shown(name, 120), told) for name, told in _flat(record)]
        left = len(rows) - _MOST_ROWS
        note = f"{left} more entries are in the record of the run." if left > 0 else ""
        tables.append(Table(shown(stage), ("Entry", "Value"), tuple(rows[:_MOST_ROWS]), note))
    return tables


def quality_tables(quality: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Return the measures of quality, a row a measure and a column a modality, in short tables."""
    measures = list(dict.fromkeys(name for values in quality.values() for name in values))
    rows = tuple(
        (shown(name), *(told(values.get(name)) for values in quality.values())) for name in measures
    )
    head = ("Measure", *(shown(name or "image") for name in quality))
    starts = range(0, len(rows), _SHORT)
    return [Table("Image quality", head, rows[start : start + _SHORT]) for start in starts]


def told(value: Any) -> str:
    """Return a plain value in words: few digits, and nothing that misbehaves."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        text = f"{value:.5g}" if abs(value) < 1e5 else f"{value:,.0f}"
        return text.replace("-", "\N{MINUS SIGN}")
    return shown(value, _LONGEST)


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in cast(Mapping[Any, Any], value).items():
            yield from _flat(item, f"{name}{'.' if name else ''}{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items = cast(Sequence[Any], value)
        if any(isinstance(item, (Mapping, list, tuple)) for item in items):
            for place, item in enumerate(items, start=1):
                yield from _flat(item, f"{name} {place}")
        else:
            left = f", ... ({len(items)} in all)" if len(items) > _MOST_VALUES else ""
            yield name, ", ".join(told(item) for item in items[:_MOST_VALUES]) + left
    else:
        yield name, told(value)
