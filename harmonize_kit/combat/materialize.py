"""From covariates to columns of numbers, as a formula says."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from formulaic import Formula
from formulaic.errors import FormulaicError
from numpy.typing import NDArray

from harmonize_kit.combat.covariate_values import CovariateValues
from harmonize_kit.errors import CovariateError


def materialize(
    formula: str, values: CovariateValues
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the columns of a formula, shape (n, q), without intercept, and their names.

    Raises
    ------
    CovariateError
        If the formula cannot be computed, or gives something that is not finite.
    """
    terms = formula.split(" + ") if formula else []
    if len(set(terms)) == len(terms) and {*terms} <= {*values.numbers, *values.levels}:
        return _sum_of_columns(terms, values)
    frame = pd.DataFrame({**values.numbers, **values.levels})
    try:
        with np.errstate(all="ignore"):
            model = cast(Any, Formula)(formula).get_model_matrix(
                frame, context={}, na_action="ignore"
            )
    except (FormulaicError, TypeError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CovariateError(f"formula '{formula}' cannot be computed: {reason}") from error
    matrix = pd.DataFrame(model).drop(columns="Intercept")
    columns = matrix.to_numpy(dtype=np.float64)
    names = tuple(str(name) for name in matrix.columns)
    finite = np.isfinite(columns).all(axis=0)
    if not finite.all():
        raise CovariateError(
            f"design column '{names[int(np.argmin(finite))]}' is not finite for some case; is a "
            "logarithm taken of zero or less?"
        )
    return columns, names


def _sum_of_columns(
    terms: list[str], values: CovariateValues
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return what formulaic gives for a plain sum, which needs no parser and is read most often."""
    columns: list[NDArray[np.float64]] = []
    names: list[str] = []
    for term in terms:
        if term in values.numbers:
            columns.append(values.numbers[term])
            names.append(term)
            continue
        levels = values.levels[term]
        for code, level in enumerate(levels.categories[1:], start=1):
            columns.append((levels.codes == code).astype(np.float64))
            names.append(f"{term}[T.{level}]")
    stacked = np.column_stack(columns) if columns else np.zeros((values.count, 0))
    return stacked, tuple(names)
