"""Whether site and biology can be told apart in these cases: condition and overlap, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import MISSING, finite, fixed, listed, shown

HIGH = 30.0  # Belsley, Kuh and Welsch 1980
SEPARATE = 0.2
_NAMED = 4


def design_table(about: Mapping[str, Any]) -> Table | None:
    """Return one row a covariate, None where the comparison says nothing of its design.

    ``about`` holds ``condition_number`` of the design of site and covariates and, by covariate and
    site, ``overlap`` from 0 to 1.
    """
    overlap = cast(Mapping[str, Mapping[str, Any]], about.get("overlap") or {})
    condition = finite(about.get("condition_number"))
    if not overlap:
        return None
    rows = tuple(
        (
            text_cell(name),
            *_overlap({site: finite(share) for site, share in shares.items()}),
        )
        for name, shares in overlap.items()
    )
    notes = (
        "Overlap: 1 where the people of a site are like those of all others, 0 where they are "
        f"unlike anybody scanned elsewhere; below {SEPARATE} the effect at that site is "
        "extrapolated.",
    )
    if condition is not None:
        said = "high" if condition >= HIGH else "not high"
        notes += (
            f"Condition number of the design of site and covariates: {fixed(condition, 1)} "
            f"({said}; from {HIGH:.0f} on, effects of site and biology can hardly be parted).",
        )
    head = ("Covariate", "Least overlap", "Sites that stand apart")
    return Table("Can site and biology be told apart?", head, rows, notes=notes)


def _overlap(shares: Mapping[str, float | None]) -> tuple[Cell, Cell]:
    known = {site: share for site, share in shares.items() if share is not None}
    if not known:
        return Cell(MISSING), Cell(MISSING)
    least = min(known, key=lambda site: known[site])
    apart = [shown(site) for site, share in known.items() if share < SEPARATE]
    below = (shown(least),)
    return Cell(fixed(known[least], 2), below), Cell(listed(apart, _NAMED) or "none", number=False)
