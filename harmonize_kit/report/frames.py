"""Columns of the per-feature and embedding frames as plain lists, tolerant to absent ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.report.text import shown

EFFECT = "_effect"
_SITE = "partial_eta_squared"
_LABELS = {_SITE: "Site effect, partial η²"}


@dataclass(frozen=True)
class Statistic:
    """A column of the per-feature tables, the column of its q value, and its name in words."""

    column: str
    q: str
    heading: str


def statistics_of(features: Mapping[str, pd.DataFrame]) -> list[Statistic]:
    """Return the statistics of all candidates: every column that is no p and no q value."""
    columns = dict.fromkeys(str(column) for frame in features.values() for column in frame.columns)
    kept = [name for name in columns if name not in ("p", "q") and name[-2:] not in ("_p", "_q")]
    return [_statistic(name) for name in kept]


def _statistic(column: str) -> Statistic:
    if column == _SITE:
        return Statistic(column, "q", _LABELS[column])
    if column.endswith(EFFECT):
        covariate = column.removesuffix(EFFECT)
        return Statistic(column, f"{covariate}_q", f"Association with {shown(covariate)}")
    words = shown(column.replace("_", " "))
    return Statistic(column, f"{column}_q", _LABELS.get(column, f"{words[:1].upper()}{words[1:]}"))


def numbers(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Return a column as float64, shape (n_rows,), NaN where it is absent or no number."""
    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    values = pd.to_numeric(frame[column], errors="coerce")
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def texts(frame: pd.DataFrame, column: str) -> list[str]:
    """Return a column as text, empty where it is absent."""
    if column not in frame.columns:
        return [""] * len(frame)
    return [str(value) for value in frame[column].tolist()]


def names(frame: pd.DataFrame) -> list[str]:
    """Return the index as text."""
    return [str(name) for name in frame.index.tolist()]


def by_name(frame: pd.DataFrame, column: str) -> dict[str, float]:
    """Return a column by row name; the first of two equal names counts."""
    pairs = zip(names(frame), numbers(frame, column).tolist(), strict=True)
    return dict(reversed(list(pairs)))


def covariates_of(features: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the covariates that have a per-feature effect in any candidate."""
    columns = (str(column) for frame in features.values() for column in frame.columns)
    found = (column.removesuffix(EFFECT) for column in columns if column.endswith(EFFECT))
    return list(dict.fromkeys(found))


def all_features(features: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the features of all candidates, in the order they come."""
    return list(dict.fromkeys(name for frame in features.values() for name in names(frame)))
