"""Which column of a table holds the ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harmonize_kit.errors import TableError, did_you_mean

# In this order; then in any case, then those of ENIGMA and common exports.
CONTRACT_NAMES = ("id", "case_id", "participant_id", "subject_id", "ID")
OTHER_NAMES = ("subjid", "sub_id", "record_id")
FREESURFER = ("measure:", "lh.aparc", "rh.aparc", "lh.", "rh.")


def find_column(names: Sequence[str], wanted: str) -> str | None:
    """Return the column called ``wanted`` without regard to case, an exact match first."""
    if wanted in names:
        return wanted
    return next((name for name in names if name.lower() == wanted.lower()), None)


def find_id_column(names: Sequence[str], path: Path, chosen: str | None = None) -> str | None:
    """Return the id column of a table, or None where it has none of the known names.

    Raises
    ------
    TableError
        If ``chosen`` is given and absent.
    """
    if chosen is not None:
        found = find_column(names, chosen)
        if found is None:
            hint = did_you_mean(chosen, names)
            raise TableError(f"{path.name}: there is no id column '{chosen}'. {hint}")
        return found
    exact = next((name for name in CONTRACT_NAMES if name in names), None)
    if exact is not None:
        return exact
    for wanted in (*CONTRACT_NAMES, *OTHER_NAMES):
        found = find_column(names, wanted)
        if found is not None:
            return found
    first = names[0]
    return first if first.lower().startswith(FREESURFER) else None
