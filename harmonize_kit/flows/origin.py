"""How a table of features came to be, as far as it says so itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from harmonize_kit.core.shown import shown
from harmonize_kit.core.table import FeatureTable, as_text
from harmonize_kit.flows.translate_tables import FLAGS, MADE_BY, NETWORK, TRANSLATED

HARMONIZED = ("fit", "apply")  # commands that work on features, which is no image method
# Simpler image methods, and what tells one in the name of a method. Z-scores are not among them:
# networks take normalised images alone, so the state before stands for them.
SIMPLER = {
    "histogram matching": "histogram",
    "Nyul's method": "nyul",
    "an intensity curve": "curve",
    "the atlas template": "template",
}


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
    absent = _absent_baselines({name: others[name] for name in others if name not in networks})
    if networks and absent:
        names = " and ".join(f"'{shown(name)}'" for name in networks)
        what = "no simpler image method" if len(absent) == len(SIMPLER) else "not all of them"
        found.append(
            f"{names}: a network is worth its training where it does better than simpler image "
            f"methods, and {what} is judged beside it; absent: {_listed(absent)}"
        )
    return found


def _absent_baselines(tables: Mapping[str, FeatureTable]) -> list[str]:
    """Return the simpler image methods that made none of the tables.

    A table says in its column what made its images; one without such a column is told by its name.
    """
    makers: set[str] = set()
    for name, table in tables.items():
        if table.made_by.get("command") not in HARMONIZED:
            makers |= _said(table, MADE_BY) or {name}
    said = " ".join(makers).lower()
    return [method for method, word in SIMPLER.items() if word not in said]


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


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + " and " * (len(words) > 1) + words[-1]


def _said(table: FeatureTable, column: str) -> set[str]:
    if column not in table.covariates.columns:
        return set()
    return {as_text(cell).strip() for cell in table.covariates[column].tolist()} - {""}
