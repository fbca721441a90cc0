"""The measures of a cohort as one table, and the cases that stand out from their site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
import pandas as pd

KEYS = ("id", "modality")
WORSE_BELOW = ("cnr", "fber", "snr_total", "snrd_total", "wm2max")
WORSE_ABOVE = (
    "cjv", "efc", "fwhm_avg", "inu_range", "qi_1", "qi_2",
    "gsr_x", "gsr_y", "gsr_z", "slice_jump", "odd_even",
)  # fmt: skip
EITHER = ("brain_ml",)
TINY = 1e-6
"""Share of the median below which a range of quartiles is rounding."""


def quality_table(records: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row an image: id, modality, flags, and the measures under MRIQC's names.

    Parameters
    ----------
    records : mapping of str to mapping
        What `assess_quality` decided, by case.

    Returns
    -------
    DataFrame
        In the order of the records. ``flags`` names the measures beyond their limits, with
        semicolons between them, empty for none. A measure that is missing is NaN, an empty cell
        of a CSV. Columns: as they come first in the records.
    """
    rows: list[dict[str, Any]] = []
    columns: dict[str, None] = {}
    for case, decided in records.items():
        for modality, metrics in decided["metrics"].items():
            own = [flag["metric"] for flag in decided["flags"] if flag["modality"] == modality]
            rows.append({"id": case, "modality": modality, "flags": ";".join(own), **metrics})
            columns |= dict.fromkeys(metrics)
    names = [*KEYS, "flags", *columns]
    table = pd.DataFrame(rows, columns=pd.Index(names))
    return table.astype({name: "float64" for name in columns})


def flag_outliers(
    table: pd.DataFrame, site: str | None = None, fence: float = 3.0, least: int = 10
) -> list[dict[str, Any]]:
    """Return the images that stand out from those of the same modality and site, to the bad side.

    Tukey's fences: beyond the quartiles by more than ``fence`` interquartile ranges. Within a
    site, because the measures differ more between scanners than between good and poor scans
    (Esteban et al. 2017, PLoS ONE 12:e0184661). A site of few cases, or one without spread, has
    no fences.

    Parameters
    ----------
    table : DataFrame
        From `quality_table`, with a column of sites where there are several.
    site : str, optional
        Name of that column; without it all images of a modality are compared.
    fence : float
        Interquartile ranges.
    least : int
        Fewest values that fences are made of.

    Returns
    -------
    list of dict
        ``id``, ``modality``, ``site`` (None without), ``metric``, ``value``, ``threshold`` and
        ``sentence``, in the order of the table within each modality, site and measure.
    """
    flags: list[dict[str, Any]] = []
    by = ["modality"] if site is None else ["modality", site]
    for key, group in table.groupby(by, sort=False, observed=True):
        place = None if site is None else str(cast("tuple[Any, ...]", key)[1])
        for metric in (*WORSE_BELOW, *WORSE_ABOVE, *EITHER):
            if metric in group.columns:
                flags += _beyond(group, metric, place, fence, least)
    return flags


def _beyond(
    group: pd.DataFrame, metric: str, place: str | None, fence: float, least: int
) -> Iterable[dict[str, Any]]:
    values = group[metric].to_numpy(dtype=np.float64, na_value=np.nan)
    known = values[np.isfinite(values)]
    if len(known) < least:
        return []
    first, median, third = (float(q) for q in np.percentile(known, (25.0, 50.0, 75.0)))
    width = third - first
    if width <= TINY * abs(median):
        return []
    low = first - fence * width if metric not in WORSE_ABOVE else -np.inf
    high = third + fence * width if metric not in WORSE_BELOW else np.inf
    found: list[dict[str, Any]] = []
    for case, modality, value in zip(group["id"], group["modality"], values, strict=True):
        if not (value < low or value > high):
            continue
        side, limit = ("below", low) if value < low else ("above", high)
        where = "" if place is None else f" of site {place}"
        name = f"{modality}: " if modality else ""
        found.append(
            {
                "id": str(case), "modality": str(modality), "site": place, "metric": metric,
                "value": float(value), "threshold": float(limit),
                "sentence": f"{name}{metric} {value:.4g} is far {side} that of the other "
                f"images{where} (median {median:.4g}, fence {limit:.4g})",
            }
        )  # fmt: skip
    return found
