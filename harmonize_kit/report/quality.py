"""Data quality: what never reached the comparison, what was left out of it, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from harmonize_kit.report.cohort import as_mapping
from harmonize_kit.report.material import Material
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import MISSING, shown

_SHOWN = 40
_NAMED = 5


def quality_tables(about: Mapping[str, Any], material: Material) -> list[Table]:
    """Return the tables that there is material for; none where nothing was left out."""
    tables = [
        _failures(material.failures),
        _cases(about),
        _constant(about),
        _left_out(about, "left_out_sites", "Sites left out of cross-validation", "Site"),
        _left_out(about, "left_out_features", "Features left out", "Feature"),
    ]
    return [table for table in tables if table is not None]


def _failures(failures: Mapping[str, Mapping[str, int]]) -> Table | None:
    """Return reason codes x tables; ids stay in failures.csv."""
    codes = sorted({code for counts in failures.values() for code in counts})
    if not codes:
        return None
    rows = tuple(
        (text_cell(code), *(_count(counts.get(code, 0)) for counts in failures.values()))
        for code in codes
    )
    notes = ("Counts of cases by reason code; failures.csv beside each table names them.",)
    head = ("Reason", *(shown(name) for name in failures))
    return Table("Cases that could not be measured", head, rows, notes=notes)


def _cases(about: Mapping[str, Any]) -> Table | None:
    reasons = as_mapping(about.get("left_out_cases"))
    if not reasons:
        return None
    rows = tuple((text_cell(reason), Cell(f"{count:,}")) for reason, count in reasons.items())
    return Table("Cases left out of judgement", ("Reason", "Cases"), rows)


def _count(number: int) -> Cell:
    return Cell(f"{number:,}" if number else MISSING, sort=str(number))


def _constant(about: Mapping[str, Any]) -> Table | None:
    found = cast(Mapping[Any, Sequence[Any]], about.get("constant_features") or {})
    if not found:
        return None
    rows: list[tuple[Cell, ...]] = []
    for name, features in found.items():
        named = ", ".join(shown(feature) for feature in list(features)[:_NAMED])
        more = f" and {len(features) - _NAMED} more" if len(features) > _NAMED else ""
        rows.append((text_cell(name), Cell(f"{len(features):,}"), text_cell(f"{named}{more}")))
    head = ("Candidate", "Features", "Which")
    return Table("Features without variation in a candidate", head, tuple(rows), kind="prose")


def _left_out(about: Mapping[str, Any], key: str, caption: str, noun: str) -> Table | None:
    reasons = as_mapping(about.get(key))
    if not reasons:
        return None
    head = (noun, "Reason") if any(reasons.values()) else (noun,)
    rows = tuple(
        tuple(text_cell(text) for text in pair[: len(head)])
        for pair in list(reasons.items())[:_SHOWN]
    )
    hidden = len(reasons) - len(rows)
    notes = (f"{hidden} more are listed in report.json.",)
    return Table(caption, head, rows, notes=notes if hidden else (), kind="prose")
