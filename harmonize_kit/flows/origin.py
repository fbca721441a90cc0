"""How a table of features came to be, as far as it says so itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from harmonize_kit.core.shown import shown
from harmonize_kit.core.table import FeatureTable, as_text
from harmonize_kit.flows.translate_tables import FLAGS, MADE_BY, NETWORK, TRANSLATED

HARMONIZED = ("fit", "apply")  # commands that work on features, which is no image method
SIMPLER = "z-scores, histogram matching, Nyul's method, an intensity curve, the atlas template"


def is_translated(table: FeatureTable) -> bool:
    """Tell whether its images came from ``translate apply``."""
    return TRANSLATED in table.covariates.columns


def is_by_network(table: FeatureTable) -> bool:
    """Tell whether a network made its images; where a table does not say what did, one did."""
    if not is_translated(table):
        return False
    makers = _said(table, MADE_BY)
    return not makers or NETWORK in makers


def how_made(table: FeatureTable) -> str:
    """Say in a sentence what a table and its sidecar know of its making."""
    made_by = table.made_by
    if made_by.get("command") == "fit":
        return (
            f"Harmonized by model {made_by.get('model')}, which was fitted to these very cases: "
            "held-out scores are not truly held out."
        )
    if made_by.get("command") == "apply":
        return f"Harmonized by the saved model {made_by.get('model')}."
    if is_translated(table):
        said = (("to", _said(table, TRANSLATED)), ("by", _said(table, MADE_BY)))
        how = [f"{word} {' and '.join(map(shown, sorted(what)))}" for word, what in said if what]
        return f"{' '.join(['Extracted from images translated', *how])}; nothing is refitted."
    return "As extracted." if made_by.get("command") == "extract" else ""


def origin_warnings(tables: Mapping[str, FeatureTable], cases: Collection[str]) -> list[str]:
    """Return what a reader must know of the tables beside the first: flags, and what is missing.

    Parameters
    ----------
    tables : mapping of str to FeatureTable
        By candidate, the raw one first.
    cases : collection of str
        Ids that are judged.
    """
    others = dict(list(tables.items())[1:])
    found = [told for name, table in others.items() if (told := _flagged(name, table, set(cases)))]
    networks = [name for name, table in others.items() if is_by_network(table)]
    simpler = [
        name
        for name, table in others.items()
        if name not in networks and table.made_by.get("command") not in HARMONIZED
    ]
    if networks and not simpler:
        names = " and ".join(f"'{shown(name)}'" for name in networks)
        found.append(
            f"no simpler image method ({SIMPLER}) is judged beside {names}: this page cannot say "
            "whether a network was needed"
        )
    return found


def _flagged(name: str, table: FeatureTable, cases: set[str]) -> str:
    if FLAGS not in table.covariates.columns:
        return ""
    cells = zip(table.ids, table.covariates[FLAGS].tolist(), strict=True)
    flagged = sum(bool(as_text(cell).strip()) for case, cell in cells if case in cases)
    if not flagged:
        return ""
    return (
        f"'{shown(name)}': images of {flagged} of {len(cases)} judged cases pass a bound of the "
        f"guards (column {FLAGS}); look at them before believing their scores"
    )


def _said(table: FeatureTable, column: str) -> set[str]:
    if column not in table.covariates.columns:
        return set()
    return {as_text(cell).strip() for cell in table.covariates[column].tolist()} - {""}
