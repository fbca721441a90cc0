"""From results of cases to the tables of an extraction.

Assembling depends on the cohort and the results alone, not on how and in which order they came to
be; that is why the table is the same to the byte whatever the workers and interruptions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.execution import Failed
from harmonize_kit.provenance import versions

NOTE_COLUMN = "warning"
Regions = Callable[[Case], list[dict[str, Any]] | None]
STAGES = {
    **dict.fromkeys(
        ("MISSING_FILE", "UNREADABLE", "EMPTY_FILE", "TRUNCATED", "SHORT_DATA", "CRC",
         "NOT_AN_IMAGE", "BAD_HEADER", "SIZE_MISMATCH", "TOO_LARGE", "NOT_3D"), "read"),
    **dict.fromkeys(("GEOMETRY", "OUTSIDE_IMAGE"), "align"),
    **dict.fromkeys(("EMPTY_MASK", "LABEL_MISSING", "MASK_NOT_LABELS", "TOO_SMALL"), "mask"),
    **dict.fromkeys(("TIMEOUT", "OUT_OF_MEMORY", "WORKER_DIED"), "run"),
}  # fmt: skip


def feature_table(cohort: Cohort, regions_of: Regions, config: ExtractionConfig) -> FeatureTable:
    """Return the measured cases as a table, in the cohort's order.

    A case with several labels anywhere in the cohort makes every row bear its label:
    ``ID_label-N``, with the columns ``case_id`` and ``Label``. Results are asked for one at a
    time, and of each only its numbers stay.

    Parameters
    ----------
    cohort : Cohort
    regions_of : callable
        Returns the regions of a case, or None where it has no result.
    config : ExtractionConfig
    """
    several = asks_for_several(cohort)
    ids: list[str] = []
    columns: dict[str, list[str]] = {name: [] for name in cohort.columns}
    if several:
        columns |= {"case_id": [], "Label": []}
    columns[NOTE_COLUMN] = []
    rows = _Rows()
    for case in cohort:
        for region in regions_of(case) or ():
            ids.append(f"{case.id}_label-{region['label']}" if several else case.id)
            cells = {**case.columns, NOTE_COLUMN: "; ".join(region["notes"])}
            if several:
                cells |= {"case_id": case.id, "Label": str(region["label"])}
            for name, column in columns.items():
                column.append(cells[name])
            rows.append(region["values"])
    found = versions()
    made_by = {
        "command": "extract",
        "parameters": config.parameters(),
        "versions": {name: found[name] for name in found if name not in {"system"}},
    }
    index = pd.Index(ids, name="id", dtype=object)
    return FeatureTable(
        pd.DataFrame(rows.matrix(), index=index, columns=list(rows.columns)),
        pd.DataFrame(columns, index=index, dtype=object),
        MappingProxyType(made_by),
        "features",
    )


class _Rows:
    """Rows of named numbers, kept as arrays until they make one matrix."""

    def __init__(self) -> None:
        self.columns: dict[str, int] = {}
        self.layouts: dict[tuple[str, ...], NDArray[np.intp]] = {}
        self.rows: deque[tuple[NDArray[np.intp], NDArray[np.float64]]] = deque()

    def append(self, values: Mapping[str, float | None]) -> None:
        names = tuple(values)
        if names not in self.layouts:
            places = [self.columns.setdefault(name, len(self.columns)) for name in names]
            self.layouts[names] = np.array(places, dtype=np.intp)
        self.rows.append((self.layouts[names], np.array(list(values.values()), dtype=np.float64)))

    def matrix(self) -> NDArray[np.float64]:
        """Return all rows, shape (n_rows, n_columns), NaN where a row lacks a column."""
        matrix = np.full((len(self.rows), len(self.columns)), np.nan)
        for row in matrix:
            places, values = self.rows.popleft()
            row[places] = values
        return matrix


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
