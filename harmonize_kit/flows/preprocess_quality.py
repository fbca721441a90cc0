"""What the assessment of quality found, for tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from harmonize_kit.config.quality import QualityConfig
from harmonize_kit.flows.preprocess_cohort import Source
from harmonize_kit.preprocess.quality.table import flag_outliers, quality_table
from harmonize_kit.storage.identity import find_column

STAGE = "quality"
# In this order: a scanner is what measures differ by, and a site may have several.
SITES = ("scanner", "site")
Decided = Mapping[str, Mapping[str, Any]]


def flags_of(decided: Decided) -> tuple[str, ...]:
    """Return why somebody should look at a case, each a sentence; none where nobody looked."""
    return tuple(str(flag["sentence"]) for flag in decided.get(STAGE, {}).get("flags", ()))


def measures_of(decided: Decided) -> Mapping[str, Mapping[str, Any]]:
    """Return the measures of a case by modality."""
    return decided.get(STAGE, {}).get("metrics", {})


def table_of_quality(
    source: Source, decided: Mapping[str, Decided], config: QualityConfig
) -> pd.DataFrame | None:
    """Return one row an image with its measures and flags, or None where the stage did not run.

    ``outliers`` names the measures by which an image stands out from the others of its modality at
    the same scanner (or site, where the cohort has no column ``scanner``), to the bad side.
    """
    records = {case: stages[STAGE] for case, stages in decided.items() if STAGE in stages}
    if not records:
        return None
    table = quality_table(records)
    columns = (find_column(source.cohort.columns, name) for name in SITES)
    site = next((column for column in columns if column is not None), None)
    judged = table
    if site is not None:
        of_case = {case.id: case.columns[site] for case in source.cohort}
        judged = table.assign(**{"site of case": table["id"].map(of_case)})
    outliers: dict[tuple[str, str], list[str]] = {}
    name = None if site is None else "site of case"
    for flag in flag_outliers(judged, name, config.fence, config.least_at_site):
        outliers.setdefault((flag["id"], flag["modality"]), []).append(flag["metric"])
    keys = zip(table["id"], table["modality"], strict=True)
    table.insert(
        list(table.columns).index("flags") + 1,
        "outliers",
        [";".join(outliers.get(key, ())) for key in keys],
    )
    return table


def flags_by_case(table: pd.DataFrame | None) -> dict[str, str]:
    """Return, by case, the measures that raised a flag or stand out, each with its modality."""
    found: dict[str, list[str]] = {}
    if table is not None:
        for _, row in table.iterrows():
            listed = dict.fromkeys(f"{row['flags']};{row['outliers']}".split(";"))
            prefix = f"{row['modality']}:" if row["modality"] else ""
            found.setdefault(row["id"], []).extend(prefix + name for name in listed if name)
    return {case: ";".join(names) for case, names in found.items()}
