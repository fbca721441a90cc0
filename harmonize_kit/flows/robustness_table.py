"""From measurements under perturbation to the agreement of each feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.core.agreement import intraclass_correlation
from harmonize_kit.core.feature_dictionary import describe_feature
from harmonize_kit.features.perturbation import KINDS, Perturbation
from harmonize_kit.flows.perturbed import UNPERTURBED

# Koo and Li 2016, Journal of Chiropractic Medicine 15:155: by the lower end of the interval.
GRADES = ((0.9, "excellent"), (0.75, "good"), (0.5, "moderate"), (-np.inf, "poor"))
DESCRIBED = ("filter", "family", "unit", "ibsi_code")


def agreement_table(
    results: Mapping[str, Sequence[Mapping[str, Any]]],
    perturbations: Sequence[Perturbation],
    confidence: float,
) -> pd.DataFrame:
    """Return ICC(2,1) with its interval for each feature, over all perturbations and by kind.

    Parameters
    ----------
    results : mapping of str to sequence of mapping
        By case id, its regions: ``label``, and ``measurements``, which hold the values by feature
        for the unperturbed region and for each perturbation, by its name.
    perturbations : sequence of Perturbation
    confidence : float

    Returns
    -------
    DataFrame
        One row a feature, and a column ``label`` where there are several: regions of different
        kinds differ, which must not count as reliability. A case counts for a feature where every
        measurement of it is there. Empty where fewer than two cases count, or the feature does not
        vary.
    """
    labels = sorted({region["label"] for regions in results.values() for region in regions})
    names = [UNPERTURBED, *(perturbation.name for perturbation in perturbations)]
    kinds = {kind: [item.kind == kind for item in perturbations] for kind in KINDS}
    frames: list[pd.DataFrame] = []
    for label in labels:
        regions = [r for found in results.values() for r in found if r["label"] == label]
        features, values = _stack(regions, names)
        frame = pd.DataFrame({"feature": features})
        if len(labels) > 1:
            frame["label"] = label
        columns = _columns(values, confidence)
        frame = frame.assign(**columns, n_perturbations=len(perturbations), **_described(features))
        for kind, belongs in kinds.items():
            if any(belongs):
                chosen = values[:, np.r_[True, belongs]]
                parts = _columns(chosen, confidence)
                frame = frame.assign(**{f"{kind}_{name}": part for name, part in parts.items()})
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def measurement_table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """Return every measurement: a row each, with id, label and perturbation before the features."""
    rows = [
        {"id": case_id, "label": str(region["label"]), "perturbation": name, **values}
        for case_id, regions in results.items()
        for region in regions
        for name, values in region["measurements"].items()
    ]
    return pd.DataFrame(rows)


def grade(low: float) -> str:
    """Return how far a feature can be relied on, by the lower end of its interval."""
    if np.isnan(low):
        return "undefined"
    return next(name for least, name in GRADES if low > least or least == -np.inf)


def grade_table(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many features of each family, and of all, have which grade."""
    grades = [grade(low) for low in table["low"].to_numpy(dtype=np.float64)]
    names = [*(name for _, name in GRADES), "undefined"]
    families = table["family"].replace("", "other")
    counts = {
        str(family): {
            name: sum(g == name and f == family for g, f in zip(grades, families, strict=True))
            for name in names
        }
        for family in dict.fromkeys(families)
    }
    return counts | {"all": {name: grades.count(name) for name in names}}


def _stack(
    regions: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    """Return feature names, and values of shape (n_regions, n_measurements, n_features)."""
    features = list(
        dict.fromkeys(
            name for region in regions for name in region["measurements"].get(UNPERTURBED, {})
        )
    )
    values = np.full((len(regions), len(names), len(features)), np.nan)
    for row, region in enumerate(regions):
        for column, name in enumerate(names):
            found = region["measurements"].get(name, {})
            values[row, column] = [_number(found.get(feature)) for feature in features]
    return features, values


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _columns(
    values: NDArray[np.float64], confidence: float
) -> dict[str, NDArray[np.float64] | NDArray[np.intp]]:
    """Return icc, low, high and n_cases; features that lack the same cases go together."""
    complete = np.isfinite(values).all(axis=1)
    icc, low, high = (np.full(values.shape[2], np.nan) for _ in range(3))
    patterns, which = np.unique(complete, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        if pattern.sum() < 2:
            continue
        own = np.flatnonzero(which.ravel() == number)
        found = intraclass_correlation(
            values[np.ix_(pattern, np.full(values.shape[1], True), own)], confidence
        )
        icc[own], low[own], high[own] = found
    return {"icc": icc, "low": low, "high": high, "n_cases": complete.sum(axis=0)}


def _described(features: Sequence[str]) -> dict[str, list[str]]:
    entries = [describe_feature(name) for name in features]
    return {
        field: ["" if entry is None else str(getattr(entry, field)) for entry in entries]
        for field in DESCRIBED
    }
