"""split: a cohort in, cohorts for training and judgement out, no subject in two of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize_kit.config.split import SplitConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.flows.split_files import require_free, write_split
from harmonize_kit.flows.split_input import SplitInput, read_split_input
from harmonize_kit.preprocess.splits import assign_subjects
from harmonize_kit.preprocess.strata import Levels, levels

logger = logging.getLogger(__name__)
SCHEMA = "harmonize-kit/split/1"


@dataclass(frozen=True)
class Split:
    """What came of a split.

    Parameters
    ----------
    record : mapping
        What ``split.json`` says.
    files : tuple of Path
        The tables that were written.
    """

    record: Mapping[str, Any]
    files: tuple[Path, ...]


def split(
    cohort: Path,
    output: Path,
    config: SplitConfig,
    *,
    column: str | None = None,
    id_column: str | None = None,
) -> Split:
    """Split a cohort by subject, stratified, and save the parts as cohorts.

    Parameters
    ----------
    cohort : Path
    output : Path
        Folder for ``train.csv``, ``validation.csv`` and ``test.csv`` (or a folder with train.csv
        and test.csv for each fold), and ``split.json``.
    config : SplitConfig
    column : str, optional
        Also write ``cohort.csv``, the whole cohort with the part of each case in this column.
    id_column : str, optional
        Column of the ids, where it has no usual name.

    Raises
    ------
    TableError
        If the cohort cannot be read, lacks a column, a stratum or subject is missing, or there are
        too few subjects; nothing is written.
    ConfigError
        If the folder holds tables that are not those of an earlier split.
    """
    source = read_split_input(cohort, config, column, id_column)
    require_free(output, cohort)
    found = {
        name: levels(_by_subject(source, name), config.bins, categorical=name in source.categorical)
        for name in source.stratify
    }
    strata = {
        subject: "\0".join(level.of[subject] for level in found.values())
        for subject in dict.fromkeys(source.subjects)
    }
    numbers = assign_subjects(strata, config.shares, config.seed)
    notes = _notes(source, found, strata, len(config.parts))
    for note in notes:
        logger.warning("%s", note)
    assigned = [config.parts[numbers[subject]] for subject in source.subjects]
    record = {
        "schema": SCHEMA,
        "input": {cohort.name: digest_file(cohort)},
        "configuration": config.model_dump(mode="json"),
        "by": source.by,
        "columns": {name: _described(level) for name, level in found.items()},
        "parts": _parts(source, assigned, config.parts),
        "strata": _strata(found, strata, numbers, config.parts),
        "notes": notes,
    }
    return Split(record, write_split(source, assigned, config, output, column, record))


def _by_subject(source: SplitInput, name: str) -> dict[str, list[str]]:
    cells: dict[str, list[str]] = {}
    for subject, text in zip(source.subjects, source.frame[name], strict=True):
        cells.setdefault(subject, []).append(str(text).strip())
    return cells


def _described(level: Levels) -> dict[str, Any]:
    if level.edges:
        return {"kind": "measurement", "edges": list(level.edges)}
    return {"kind": "groups", "subjects_in_several": len(level.mixed)}


def _parts(
    source: SplitInput, assigned: Sequence[str], parts: Sequence[str]
) -> dict[str, dict[str, int]]:
    subjects = Counter(dict(zip(source.subjects, assigned, strict=True)).values())
    cases = Counter(assigned)
    return {part: {"subjects": subjects[part], "cases": cases[part]} for part in parts}


def _strata(
    found: Mapping[str, Levels],
    strata: Mapping[str, str],
    numbers: Mapping[str, int],
    parts: Sequence[str],
) -> list[dict[str, Any]]:
    """Return the levels of each stratum, and its subjects by part."""
    counts: dict[str, Counter[int]] = {}
    for subject, stratum in strata.items():
        counts.setdefault(stratum, Counter())[numbers[subject]] += 1
    return [
        {
            "levels": dict(zip(found, stratum.split("\0"), strict=True)) if found else {},
            "subjects": {part: counts[stratum][place] for place, part in enumerate(parts)},
        }
        for stratum in sorted(counts)
    ]


def _notes(
    source: SplitInput, found: Mapping[str, Levels], strata: Mapping[str, str], parts: int
) -> list[str]:
    notes = list(source.notes)
    for name, level in found.items():
        if level.edges:
            edges = ", ".join(f"{edge:.6g}" for edge in level.edges)
            notes.append(f"'{name}' is stratified by classes that part at {edges}")
        elif level.mixed:
            notes.append(
                f"{len(level.mixed)} subjects have cases of several levels of '{name}'; each such "
                "combination is a level of its own"
            )
    sizes = Counter(strata.values())
    small = sum(count < parts for count in sizes.values())
    if small:
        notes.append(
            f"{small} of {len(sizes)} strata have fewer subjects than there are parts, so that not "
            "every part has one of them; stratify by fewer columns or fewer bins"
        )
    return notes
