"""The tables of a preprocessed cohort: made of the cohort and the records of its cases alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from harmonize_kit.config.preprocess import PreprocessingConfig
from harmonize_kit.core.cohort import Case
from harmonize_kit.execution import Failed
from harmonize_kit.flows.preprocess_cohort import Source
from harmonize_kit.flows.preprocess_input import DICOM, is_dicom
from harmonize_kit.flows.preprocess_quality import flags_by_case, table_of_quality
from harmonize_kit.storage.sidecars import sidecar_columns

Record = Mapping[str, Any]
RecordOf = Callable[[Case], Record | None]
NOTES, FLAGS = "preprocess_notes", "quality_flags"
DONE, FAILED, TO_DO = "done", "failed", "to do"
FAILURE_COLUMNS = ["id", "stage", "code", "message"]


def cohort_table(
    source: Source, record_of: RecordOf, quality: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the finished cases as a cohort table that the next command takes.

    The columns of the cohort pass through; images and masks are the new ones, by paths relative to
    the output folder. ``Mask`` holds the lesion labels of a case that has any, else its brain mask.
    """
    rows: list[dict[str, str]] = []
    flags = flags_by_case(quality)
    for case in source.cohort:
        record = record_of(case)
        if record is not None:
            flagged = {FLAGS: flags.get(case.id, "")} if quality is not None else {}
            rows.append(_row(case, record) | flagged)
    names = dict.fromkeys(name for row in rows for name in row)
    # Where a case lacks what another has, the cell is empty, as text.
    cells = {name: [row.get(name, "") for row in rows] for name in names}
    frame = pd.DataFrame(cells, dtype=object)
    empty = [name for name in ("Mask", "Brain_mask", "Label", "Label_channel") if name in frame]
    return frame.drop(columns=[name for name in empty if not frame[name].any()])


def _row(case: Case, record: Record) -> dict[str, str]:
    files: dict[str, str] = {role: file["path"] for role, file in record["files"].items()}
    row: dict[str, str] = {"id": case.id}
    for modality in record["modalities"]:
        row[f"Image_{modality}" if modality else "Image"] = files[f"image {modality}"]
    brain = next((path for role, path in files.items() if role.partition(" ")[0] == "mask"), "")
    labels = files.get("labels", "")
    row |= {"Mask": labels or brain, "Label": _labels_of(case, labels), "Label_channel": ""}
    if labels and case.label_channel and record["copied"]:
        row["Label_channel"] = str(case.label_channel)
    row |= {"Brain_mask": brain, **case.columns}
    for name, cell in _measured(record).items():
        # What the cohort says itself goes before what headers say.
        row.setdefault(name, cell)
    return {**row, NOTES: "; ".join(record["notes"])}


def _labels_of(case: Case, labels: str) -> str:
    if not labels:
        return ""
    return "all" if case.labels is None else ";".join(map(str, case.labels))


def quality_of(
    source: Source, record_of: RecordOf, config: PreprocessingConfig
) -> pd.DataFrame | None:
    """Return the table of image quality, or None where the stage did not run."""
    records = {case.id: record_of(case) for case in source.cohort}
    decided = {case: record["decided"] for case, record in records.items() if record is not None}
    return table_of_quality(source, decided, config.quality)


def _measured(record: Record) -> dict[str, str]:
    """Return the columns that conversion and quality assessment add."""
    converted = record["decided"].get("convert", {}).get("converted", {})
    found = sidecar_columns({name: part["sidecar"] for name, part in converted.items()})
    return found


def shown_path(path: str) -> str:
    """Return the path of an input for a table; folders of DICOM are often named after patients."""
    return DICOM if is_dicom(Path(path)) else path


def failure_table(source: Source, failed: Mapping[str, Failed]) -> pd.DataFrame:
    """Return the failed cases with stage, reason code and message, in the cohort's order."""
    rows = [
        [case.id, failed[case.id].stage, failed[case.id].code, failed[case.id].message]
        for case in source.cohort
        if case.id in failed
    ]
    return pd.DataFrame(rows, columns=FAILURE_COLUMNS, dtype=object)


def manifest_table(
    source: Source, record_of: RecordOf, failed: Mapping[str, Failed]
) -> pd.DataFrame:
    """Return one row an image and label image of the cohort: where from, where to, what became."""
    rows: list[dict[str, str]] = []
    for case in source.cohort:
        record, failure = record_of(case), failed.get(case.id)
        status = DONE if record is not None else FAILED if failure is not None else TO_DO
        inputs = {f"image {modality}": path for modality, path in case.images.items()}
        inputs |= {"labels": case.mask} if case.mask else {}
        for role, path in inputs.items():
            row = {
                "patient": source.patient_of(case),
                "class": source.class_of(case),
                "modality": role.removeprefix("image ") or "image",
                "input": shown_path(path),
                "output": record["files"][role]["path"] if record else "",
                "status": status,
                "timestamp": record["finished"] if record else "",
                "error": "",
            }
            if failure is not None:
                row["error"] = f"{failure.stage}: {failure.code}: {failure.message}"
            rows.append(row)
    frame = pd.DataFrame(rows, dtype=object)
    return frame if frame["class"].any() else frame.drop(columns="class")


def count_by_class(
    source: Source, computed: Mapping[str, Any], finished: Mapping[str, str],
    failed: Mapping[str, Failed],
) -> dict[str, dict[str, int]]:  # fmt: skip
    """Return how many cases of each class were done now, were kept, failed, or are to do.

    Where the cohort has no classes there is one, called "".
    """
    counts: dict[str, dict[str, int]] = {}
    for case in source.cohort:
        of_class = counts.setdefault(
            source.class_of(case), {"done": 0, "kept": 0, "failed": 0, "to do": 0}
        )
        if case.id in finished:
            of_class["done" if case.id in computed else "kept"] += 1
        else:
            of_class["failed" if case.id in failed else "to do"] += 1
    return dict(sorted(counts.items()))
