"""Whether the judged cases lie in the range a model was fitted on."""

from __future__ import annotations

from harmonize_kit.report.material import Material
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import listed, percent, shown, trimmed


def range_tables(material: Material) -> list[Table]:
    """Return the table of ranges, with the sites no model knows below it."""
    rows = tuple(
        (
            text_cell(found.model),
            text_cell(found.covariate),
            Cell(_ends(found.trained)),
            Cell(_ends(found.found)),
            Cell(
                f"{found.beyond:,} of {found.cases:,}",
                mark=percent(found.beyond / found.cases) if found.beyond and found.cases else "",
                sort=str(found.beyond),
            ),
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
    return tables


def _ends(ends: tuple[float, float]) -> str:
    return f"{trimmed(ends[0])} to {trimmed(ends[1])}"
