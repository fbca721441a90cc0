"""Planted truth beside the estimate: for data whose effects were put there on purpose."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd

from harmonize_kit.errors import TableError
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import finite, shown, trimmed

_FIXED = ("quantity", "planted")


def check_truth(truth: pd.DataFrame) -> None:
    """Raise TableError unless the columns ``quantity`` and ``planted`` are there."""
    missing = [name for name in _FIXED if name not in truth.columns]
    if missing:
        raise TableError(
            f"truth: expected the columns 'quantity', 'planted' and one a candidate, got "
            f"{[str(name) for name in truth.columns]}; add {' and '.join(missing)}"
        )


def truth_table(truth: pd.DataFrame) -> Table:
    """Return one row a quantity: what was planted, and each candidate's estimate of it."""
    estimates = [column for column in truth.columns if column not in _FIXED]
    rows: list[tuple[Cell, ...]] = []
    for record in cast(list[dict[Any, Any]], truth.to_dict(orient="records")):
        planted = record["planted"]
        cells = (_estimate(record[column], planted) for column in estimates)
        rows.append((text_cell(record["quantity"]), _number(planted), *cells))
    head = ("Quantity", "Truth", *(shown(column) for column in estimates))
    notes = ("Below each estimate: its distance from what was planted.",)
    return Table("What was planted, and what was found", head, tuple(rows), notes=notes)


def _number(value: Any) -> Cell:
    number = finite(value)
    if number is None and isinstance(value, str):
        return text_cell(value)
    return Cell(trimmed(number))


def _estimate(value: Any, planted: Any) -> Cell:
    cell, found, true = _number(value), finite(value), finite(planted)
    if found is None or true is None:
        return cell
    sign = "+" if found > true else ""
    return Cell(cell.text, (f"{sign}{trimmed(found - true)}",))
