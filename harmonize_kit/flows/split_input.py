"""The cohort that is split: its rows as they stand, the subject of each, and the strata asked for.

Rows are kept as text, cell by cell, so that what is written is what was read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harmonize_kit.config.split import SplitConfig
from harmonize_kit.core.table import BLANK, MISSING_TEXT, is_number_column
from harmonize_kit.errors import TableError, did_you_mean
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.columns import read_text_table, text_frame
from harmonize_kit.storage.identity import find_column, find_id_column

SUBJECT = "subject"
SESSION = re.compile(r"^(sub-[A-Za-z0-9]+)_ses-")
_NAMED = 5  # cases a message names


@dataclass(frozen=True)
class SplitInput:
    """What is split.

    Parameters
    ----------
    path : Path
    frame : DataFrame
        The table as text, one row a case.
    subjects : tuple of str
        Subject of each row.
    by : str
        Column the subjects come from; empty where each case is a subject of its own.
    stratify, categorical : tuple of str
        Columns as the table calls them.
    notes : tuple of str
        What the user must know of it.
    """

    path: Path
    frame: pd.DataFrame
    subjects: tuple[str, ...]
    by: str
    stratify: tuple[str, ...]
    categorical: tuple[str, ...]
    notes: tuple[str, ...]


def read_split_input(
    path: Path, config: SplitConfig, column: str | None, id_column: str | None
) -> SplitInput:
    """Read a cohort and find its subjects.

    Raises
    ------
    TableError
        If it is no cohort, lacks a column, already has ``column``, or misses a subject or a level;
        every problem is listed.
    """
    ids = [case.id for case in read_cohort(path, id_column, masked=False)]
    table = read_text_table(path)
    names: list[str] = table.column_names
    frame = text_frame(table, names)
    problems: list[str] = []
    if column is not None and find_column(names, column) is not None:
        problems.append(f"{path.name} has a column '{column}' already; name another by --column")
    by = find_column(names, config.by or SUBJECT) or ""
    if config.by is not None and not by:
        problems.append(_unknown(path, config.by, names))
    found = {wanted: find_column(names, wanted) for wanted in config.stratify}
    problems += [_unknown(path, wanted, names) for wanted, name in found.items() if name is None]
    stratify = tuple(name for name in found.values() if name is not None)
    lowered = {name.lower() for name in (*config.categorical, "site")}
    categorical = tuple(name for name in stratify if name.lower() in lowered)
    for name in (*([by] if by else ()), *stratify):
        # A site may be called NA; a number may not.
        is_text = name == by or name in categorical or not is_number_column(frame, name)
        missing = BLANK if is_text else MISSING_TEXT
        problems += _missing(path, name, [str(text) for text in frame[name]], ids, missing)
    if problems:
        more = f" ({len(problems)} problems in all)" if len(problems) > 1 else ""
        raise TableError(f"{problems[0]}{more}", problems)
    subjects = tuple(str(text).strip() for text in frame[by]) if by else tuple(ids)
    is_id = by == find_id_column(names, path, id_column)
    return SplitInput(
        path, frame, subjects, by, stratify, categorical, () if by and not is_id else _torn(ids)
    )


def _unknown(path: Path, wanted: str, names: Sequence[str]) -> str:
    return f"{path.name}: there is no column '{wanted}'. {did_you_mean(wanted, names)}"


def _missing(
    path: Path, name: str, cells: Sequence[str], ids: Sequence[str], missing: frozenset[str]
) -> list[str]:
    empty = [case for case, text in zip(ids, cells, strict=True) if text.strip() in missing]
    if not empty:
        return []
    named = ", ".join(f"'{case}'" for case in empty[:_NAMED])
    more = f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else ""
    return [
        f"{path.name}: column '{name}' is missing for {named}{more}; fill it in, or leave these "
        "cases out"
    ]


def _torn(ids: Sequence[str]) -> tuple[str, ...]:
    """Return a note where ids look like several sessions of one subject."""
    people = [match[1] for case in ids if (match := SESSION.match(case))]
    if len(set(people)) == len(people):
        return ()
    return (
        "ids look like several sessions of one subject, and each case is split as a subject of its "
        "own; add a column 'subject', or name one by --by",
    )
