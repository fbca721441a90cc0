"""Whether the judged cases lie in the range a model was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from harmonize_kit.report.material import Material
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import listed, percent, shown, trimmed


def range_tables(material: Material, about: Mapping[str, Any]) -> list[Table]:
    """Return the table of ranges, with the sites no model knows below it, and that of the folds."""
    rows = tuple(
        (
            text_cell(found.model),
            text_cell(found.covariate),
            Cell(_ends(found.trained)),
            Cell(_ends(found.found)),
            _beyond(found.beyond, found.cases),
        )
        for found in material.ranges
    )
    unseen = [f"{shown(site)} ({count:,})" for site, count in material.unseen.items()]
    tables: list[Table] = []
    if rows:
        notes = ("Beyond the training range the effect of a covariate is extrapolated.",)
        head = ("Model", "Covariate", "Fitted on", "Judged here", "Beyond")
        tables.append(Table("Covariates against the range in training", head, rows, notes=notes))
    if unseen:
        names = ((text_cell(listed(unseen, 40)),),)
        caption = "Sites the model was not fitted on, with their cases"
        tables.append(Table(caption, ("Sites",), names, kind="prose"))
    return tables + _held_out(about.get("held_out_ranges"))


def _held_out(ranges: Any) -> list[Table]:
    """Return how many held-out cases lie outside the training cases of their fold."""
    entries = cast(list[dict[str, Any]], ranges or [])
    rows = tuple(
        (
            text_cell(entry["covariate"]),
            Cell(_ends((entry["range"][0], entry["range"][1]))),
            _beyond(int(entry["beyond"]), int(entry["cases"])),
        )
        for entry in entries
    )
    head = ("Covariate", "All cases", "Beyond their training cases")
    return [Table("Held-out cases against the training cases of their fold", head, rows)] * any(
        rows
    )


def _beyond(beyond: int, cases: int) -> Cell:
    mark = percent(beyond / cases) if beyond and cases else ""
    return Cell(f"{beyond:,} of {cases:,}", mark=mark, sort=str(beyond))


def _ends(ends: tuple[float, float]) -> str:
    return f"{trimmed(ends[0])} to {trimmed(ends[1])}"
