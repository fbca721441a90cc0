"""The tables of a translated cohort: made of the cohort and the records of its cases alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from harmonize_kit.execution import Failed
from harmonize_kit.flows.assemble import STAGES
from harmonize_kit.flows.translate_cohort import BRAIN, TISSUE, TranslationCohort
from harmonize_kit.storage.identity import find_column

RecordOf = Callable[[str], Mapping[str, Any] | None]
TRANSLATED, MADE_BY, FLAGS = "translated_to", "translated_by", "translation_flags"
NETWORK = "cyclegan"  # what made an image, where it is no fitted method
FAILURE_COLUMNS = ["id", "stage", "code", "message"]
MEASURES = ["change", "explained", "spread", "lesion_contrast", "lesion_volume", "tissues"]
MAPS = ["change", "spread"]
FLAG_COLUMNS = ["id", "modality", "measure", "value", "bound", "sentence"]


def cohort_table(cohort: TranslationCohort, record_of: RecordOf) -> pd.DataFrame:
    """Return the finished cases as a cohort table that the next command takes.

    All columns pass through; images are the new ones, by paths relative to the output folder, and
    masks the same files as before. ``translated_to`` says the site a case was taken to, and
    ``translated_by`` the method; both are empty for one that was there already.
    ``translation_flags`` says the bounds that it passes.
    """
    given = {case.id: case for case in cohort.cohort}
    made = {find_column(cohort.cohort.columns, name) for name in (BRAIN, TISSUE)}
    rows: list[dict[str, str]] = []
    for case in cohort.cases:
        record, original = record_of(case.id), given[case.id]
        if record is None:
            continue
        row = {"id": case.id}
        for modality in record["modalities"]:
            name = f"Image_{modality}" if modality else "Image"
            row[name] = record["files"][f"image {modality}"]["path"]
        labels = original.labels
        row |= {
            "Mask": original.mask,
            "Label": "all" if labels is None else ";".join(map(str, labels)),
            "Label_channel": str(original.label_channel or ""),
            **{name: cell for name, cell in original.columns.items() if name not in made},
            BRAIN: case.source.brain_mask,
            TISSUE: case.tissue,
            TRANSLATED: record["to"] if record["translated"] else "",
            MADE_BY: record["by"] if record["translated"] else "",
            FLAGS: "; ".join(_flag(flag) for flag in record["flags"]),
        }
        rows.append(row)
    frame = pd.DataFrame(rows, dtype=object)
    empty = [name for name in ("Mask", "Label", "Label_channel", TISSUE) if not frame[name].any()]
    return frame.drop(columns=empty)


def guard_table(cohort: TranslationCohort, record_of: RecordOf) -> pd.DataFrame:
    """Return the measures of every translated image, one row an image.

    ``tissues`` says where the classes of tissue came from that each had a curve of its own,
    ``change_map`` and ``spread_map`` where the maps are, relative to the output folder.
    """
    rows: list[dict[str, Any]] = []
    for case in cohort.cases:
        record = record_of(case.id)
        files: Mapping[str, Any] = _of(record, "files", {})
        for modality, measures in _of(record, "measures", {}).items():
            paths = {
                f"{kind}_map": files[f"{kind} {modality}"]["path"]
                for kind in MAPS
                if f"{kind} {modality}" in files
            }
            rows.append({"id": case.id, "modality": modality or "Image", **measures, **paths})
    columns = ["id", "modality", *MEASURES, *(f"{kind}_map" for kind in MAPS)]
    return pd.DataFrame(rows, columns=columns)


def flag_table(cohort: TranslationCohort, record_of: RecordOf) -> pd.DataFrame:
    """Return one row a bound that an image passes, with a sentence."""
    rows = [
        {"id": case.id, **flag, "modality": flag["modality"] or "Image"}
        for case in cohort.cases
        for flag in _of(record_of(case.id), "flags", [])
    ]
    return pd.DataFrame(rows, columns=FLAG_COLUMNS)


def failure_table(cohort: TranslationCohort, failed: Mapping[str, Failed]) -> pd.DataFrame:
    """Return the failed cases with stage, reason code and message, in the cohort's order."""
    rows = [
        [one.id, STAGES.get(one.code, "translate"), one.code, one.message]
        for one in (failed[case.id] for case in cohort.cases if case.id in failed)
    ]
    return pd.DataFrame(rows, columns=FAILURE_COLUMNS, dtype=object)


def _of(record: Mapping[str, Any] | None, part: str, default: Any) -> Any:
    return default if record is None else record[part]


def _flag(flag: Mapping[str, Any]) -> str:
    return f"{flag['modality']} {flag['measure']}".strip()
