"""What ``translate apply`` wrote of its guards beside the translated images."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from harmonize_kit.config.guards import GuardConfig
from harmonize_kit.errors import TableError
from harmonize_kit.flows.translate_tables import TRANSLATED
from harmonize_kit.report.guarded import LABELS, Bounds, GuardedImage, GuardedImages
from harmonize_kit.storage.cohorts import read_cohort

GUARDS = "guards.csv"


def guarded_images(
    folders: Mapping[str, str | Path], site: str, cases: Collection[str]
) -> tuple[GuardedImages, ...]:
    """Read the guards of the judged cases.

    Parameters
    ----------
    folders : mapping of str to path
        By candidate: where ``translate apply`` wrote.
    site : str
        Column of ``cohort.csv`` that names the site.
    cases : collection of str
        Ids that are judged.

    Raises
    ------
    TableError
        If a folder holds no guards, or its tables do not go together.
    """
    return tuple(
        _of_folder(name, Path(folder), site, set(cases)) for name, folder in folders.items()
    )


def _of_folder(name: str, folder: Path, site: str, cases: set[str]) -> GuardedImages:
    if not (folder / GUARDS).is_file():
        raise TableError(
            f"guards of '{name}': expected {GUARDS} in {folder}, where 'translate apply' writes "
            "it, got none; name that folder"
        )
    columns = {case.id: case.columns for case in read_cohort(folder / "cohort.csv", masked=False)}
    flags: dict[tuple[str, str], list[str]] = {}
    for row in _rows(folder / "flags.csv"):
        flags.setdefault((row["id"], row["modality"]), []).append(row["sentence"])
    images = [
        GuardedImage(
            row["id"],
            columns.get(row["id"], {}).get(site, ""),
            row["modality"],
            {measure: float(row[measure]) for measure in LABELS if row.get(measure)},
            tuple(flags.get((row["id"], row["modality"]), ())),
        )
        for row in _rows(folder / GUARDS)
        if row["id"] in cases
    ]
    unchanged = sum(
        not found[TRANSLATED] for case, found in columns.items()
        if case in cases and TRANSLATED in found
    )  # fmt: skip
    return GuardedImages(name, tuple(images), _bounds(folder / "run.json"), unchanged)


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows as text; none of a table that is not there or has a header alone."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _bounds(path: Path) -> dict[str, Bounds]:
    """Return the bounds the run held images to; none where its record is not there."""
    if not path.is_file():
        return {}
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    said = record.get("configuration", {}).get("guards")
    if not isinstance(said, dict):
        return {}
    guards = GuardConfig.model_validate(said)
    return {
        "change": (None, guards.change_at_most),
        "explained": (guards.explained_at_least, None),
        "spread": (None, guards.spread_at_most),
        "lesion_contrast": guards.lesion_contrast,
        "lesion_volume": guards.lesion_volume,
    }
