"""The cohort section: sites and their sizes, covariates, what was left out, what is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from harmonize_kit.report.design_table import design_table
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import MISSING, finite, percent, shown

FEW = 10  # below this many cases a site's own mean and variance are hardly known


def cohort_tables(about: Mapping[str, Any], methods: Mapping[str, str]) -> list[Table]:
    """Return the tables of the cohort section that the comparison gives material for."""
    tables = [
        _sites(about),
        _covariates(about),
        design_table(about),
        _candidates(about, methods),
    ]
    return [table for table in tables if table is not None]


def as_mapping(value: Any) -> dict[str, Any]:
    """Return ``{name: what}``, taking a plain list as names without anything known of them."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return {str(name): "" for name in cast(Sequence[Any], value)}
    return {}


def _sites(about: Mapping[str, Any]) -> Table | None:
    counts = {name: finite(n) for name, n in as_mapping(about.get("sites")).items()}
    if not counts:
        return None
    total = sum(n for n in counts.values() if n)
    rows = tuple(
        (
            text_cell(name),
            Cell("" if n is None else f"{n:,.0f}", mark="few" if n is not None and n < FEW else ""),
            Cell(MISSING if n is None or not total else percent(n / total)),
        )
        for name, n in counts.items()
    )
    small = any(n is not None and n < FEW for n in counts.values())
    notes = (f"few: fewer than {FEW} cases, so that estimates for this site are poor.",)
    caption = f"Cases by site (column {shown(about.get('site', 'site'))})"
    return Table(caption, ("Site", "Cases", "Share"), rows, notes=notes if small else ())


def _covariates(about: Mapping[str, Any]) -> Table | None:
    entries = [_entry(entry) for entry in cast(Sequence[Any], about.get("biology") or ())]
    rows = [(entry["name"], _kind(entry), _values(entry)) for entry in entries]
    if about.get("outcome"):
        outcome = _entry(about["outcome"])
        rows.append((outcome["name"], f"{_kind(outcome)}, outcome", _values(outcome)))
    if about.get("subject"):
        rows.append((about["subject"], "subject", ""))
    if not rows:
        return None
    head = ("Column", "Kind", "Values")
    cells = tuple(tuple(text_cell(text) for text in row) for row in rows)
    return Table("Covariates and other columns used", head, cells, kind="prose")


def _entry(entry: Any) -> dict[str, Any]:
    """Return what is said of a column; a bare name says no more than that."""
    if isinstance(entry, Mapping):
        return {"name": "", **cast(Mapping[str, Any], entry)}
    return {"name": entry}


def _kind(entry: Mapping[str, Any]) -> str:
    return str(entry.get("kind") or MISSING)


def _values(entry: Mapping[str, Any]) -> str:
    values = entry.get("range") or entry.get("levels")
    if isinstance(values, Mapping):
        return ", ".join(f"{name} ({n})" for name, n in cast(Mapping[Any, Any], values).items())
    if not isinstance(values, Sequence) or isinstance(values, str):
        return str(values or "")
    items = [
        str(item) if finite(item) is None else f"{finite(item):.4g}"
        for item in cast(Sequence[Any], values)
    ]
    return " to ".join(items) if entry.get("range") else ", ".join(items)


def _candidates(about: Mapping[str, Any], methods: Mapping[str, str]) -> Table | None:
    kinds = as_mapping(about.get("candidates"))
    if not kinds:
        return None
    head = ("Candidate", "Kind", "How it was made")[: 3 if methods else 2]
    rows = tuple(
        tuple(
            text_cell(text)
            for text in (name, kinds[name] or MISSING, methods.get(name, ""))[: len(head)]
        )
        for name in kinds
    )
    return Table("What is compared", head, rows, kind="prose")
