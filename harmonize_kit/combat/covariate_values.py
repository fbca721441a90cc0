"""Covariates read from a table: numbers and levels, known for every case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.combat.formula import CovariateFormula
from harmonize_kit.core.table import (
    MISSING_TEXT,
    is_number_column,
    number_column,
    require_column,
    text_column,
)
from harmonize_kit.errors import CovariateError, did_you_mean


@dataclass(frozen=True)
class CovariateValues:
    """The covariates of n cases, by name.

    Parameters
    ----------
    count : int
        n.
    numbers : mapping of str to ndarray, shape (n,)
    levels : mapping of str to Categorical, of length n
        With all training levels as categories, the baseline first.
    """

    count: int
    numbers: Mapping[str, NDArray[np.float64]]
    levels: Mapping[str, pd.Categorical[Any]]


def categorical_columns(
    covariates: pd.DataFrame, parsed: CovariateFormula, declared: tuple[str, ...], source: str
) -> set[str]:
    """Return the covariates that are groups: declared so, marked so, or of text."""
    for name in declared:
        if name not in parsed.columns:
            raise CovariateError(
                f"'{name}' is declared categorical but is not among the preserved covariates. "
                f"{did_you_mean(name, parsed.columns)}"
            )
    for name in parsed.columns:
        require_column(covariates, name, source)
    text = {name for name in parsed.columns if not is_number_column(covariates, name)}
    return text | set(declared) | parsed.categorical


def texts_of(covariates: pd.DataFrame, name: str, source: str) -> pd.Series[str]:
    """Return a categorical covariate; here NA is missing, as in a covariate of numbers."""
    texts = text_column(covariates, name, source)
    _require_known(name, texts.index[texts.isin(MISSING_TEXT)], source)
    return texts


def _require_known(name: str, missing: pd.Index[Any], source: str) -> None:
    if len(missing):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CovariateError(
            f"{source}: covariate '{name}' must be known for every case, got a missing value at id "
            f"'{missing[0]}'{more}; fill it in or leave these cases out"
        )


def numbers_of(covariates: pd.DataFrame, name: str, source: str) -> NDArray[np.float64]:
    """Return a covariate of numbers, shape (n,)."""
    values = cast(
        NDArray[np.float64], number_column(covariates, name, source).to_numpy(dtype=np.float64)
    )
    missing = np.isnan(values)
    if missing.any():
        _require_known(name, covariates.index[missing], source)
    return values


def levels_of(
    covariates: pd.DataFrame, name: str, known: tuple[str, ...], source: str
) -> pd.Categorical[Any]:
    """Return a categorical covariate with ``known`` levels, refusing others."""
    texts = texts_of(covariates, name, source)
    strange = [str(case) for case in texts.index[~texts.isin(known)]]
    if strange:
        raise CovariateError(
            f"{source}: covariate '{name}' was fitted with levels {', '.join(known)}, got "
            f"'{texts[strange[0]]}' at id '{strange[0]}'; correct the level or fit anew"
        )
    return pd.Categorical(texts, categories=list(known))


def require_smoothable(
    covariates: pd.DataFrame, smooth: tuple[str, ...], groups: set[str], source: str
) -> None:
    """Refuse a smooth covariate that is absent, named twice, or of groups."""
    for name in smooth:
        require_column(covariates, name, source)
        if smooth.count(name) > 1 or name in groups or not is_number_column(covariates, name):
            why = "named twice" if smooth.count(name) > 1 else "a covariate of groups"
            raise CovariateError(
                f"{source}: a smooth covariate must hold numbers, got '{name}', {why}; give it in "
                "--preserve instead"
            )
