"""From results of cases to the tables of an extraction.

Assembling depends on the cohort and the results alone, not on how and in which order they came to
be; that is why the table is the same to the byte whatever the workers and interruptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.execution import Failed
from harmonize_kit.flows.case import CaseResult
from harmonize_kit.provenance import versions

NOTE_COLUMN = "warning"
STAGES = {
    **dict.fromkeys(
        ("MISSING_FILE", "UNREADABLE", "EMPTY_FILE", "TRUNCATED", "SHORT_DATA", "CRC",
         "NOT_AN_IMAGE", "BAD_HEADER", "SIZE_MISMATCH", "TOO_LARGE", "NOT_3D"), "read"),
    **dict.fromkeys(("GEOMETRY", "OUTSIDE_IMAGE"), "align"),
    **dict.fromkeys(("EMPTY_MASK", "LABEL_MISSING", "MASK_NOT_LABELS", "TOO_SMALL"), "mask"),
    **dict.fromkeys(("TIMEOUT", "OUT_OF_MEMORY", "WORKER_DIED"), "run"),
}  # fmt: skip


def feature_table(
    cohort: Cohort, results: Mapping[str, CaseResult], config: ExtractionConfig
) -> FeatureTable:
    """Return the measured cases as a table, in the cohort's order.

    A case with several labels anywhere in the cohort makes every row bear its label:
    ``ID_label-N``, with the columns ``case_id`` and ``Label``.
    """
    rows = list(_rows(cohort, results))
    several = asks_for_several(cohort)
    names = dict.fromkeys(name for _, _, region in rows for name in region["values"])
    index = pd.Index([row_id for row_id, _, _ in rows], name="id", dtype=object)
    values = [[region["values"].get(name) for name in names] for _, _, region in rows]
    columns = {name: [case.columns[name] for _, case, _ in rows] for name in cohort.columns}
    if several:
        columns["case_id"] = [case.id for _, case, _ in rows]
        columns["Label"] = [str(region["label"]) for _, _, region in rows]
    columns[NOTE_COLUMN] = ["; ".join(region["notes"]) for _, _, region in rows]
    found = versions()
    made_by = {
        "command": "extract",
        "parameters": config.parameters(),
        "versions": {name: found[name] for name in found if name not in {"system"}},
    }
    matrix = np.array(values, dtype=np.float64).reshape(len(rows), len(names))
    return FeatureTable(
        pd.DataFrame(matrix, index=index, columns=list(names)),
        pd.DataFrame(columns, index=index, dtype=object),
        MappingProxyType(made_by),
        "features",
    )


def _rows(
    cohort: Cohort, results: Mapping[str, CaseResult]
) -> Iterable[tuple[str, Case, dict[str, Any]]]:
    several = asks_for_several(cohort)
    for case in cohort:
        if case.id in results:
            for region in results[case.id].regions:
                suffix = f"_label-{region['label']}" if several else ""
                yield f"{case.id}{suffix}", case, region


def asks_for_several(cohort: Cohort) -> bool:
    """Tell whether some case asks for several labels, whatever becomes of it."""
    return any(case.labels is None or len(case.labels) > 1 for case in cohort)


def failure_table(cohort: Cohort, failed: Mapping[str, Failed]) -> pd.DataFrame:
    """Return the failed cases with stage, reason code and message, in the cohort's order."""
    rows = [
        {
            "id": case.id,
            "stage": STAGES.get(failed[case.id].code, "extract"),
            "code": failed[case.id].code,
            "message": failed[case.id].message,
        }
        for case in cohort
        if case.id in failed
    ]
    return pd.DataFrame(rows, columns=["id", "stage", "code", "message"], dtype=object)
