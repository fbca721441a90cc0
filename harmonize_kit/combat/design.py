"""The covariate design: learned once from the training cases, replayed by name on any others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from formulaic import Formula
from formulaic.errors import FormulaicError
from numpy.typing import NDArray

from harmonize_kit.combat.formula import CovariateFormula, parse_formula
from harmonize_kit.core.table import (
    MISSING_TEXT,
    is_number_column,
    number_column,
    require_column,
    text_column,
)
from harmonize_kit.errors import CovariateError, DesignError, did_you_mean

RANK_TOLERANCE = 1e-8


@dataclass(frozen=True)
class CovariateDesign:
    """How covariates become columns of numbers.

    Columns are centred and scaled by the training cases. The sites carry the intercept, so the
    fit is the same in any units, and the normal equations stay well conditioned (a covariate
    such as 1e9 + age would lose its digits otherwise).

    Parameters
    ----------
    formula : str
        Covariates to preserve; empty for none.
    ranges : mapping of str to (float, float)
        Smallest and largest training value of each numeric covariate.
    levels : mapping of str to tuple of str
        Training levels of each categorical covariate; the first is the baseline.
    names : tuple of str
        Names of the q design columns.
    centre, scale : ndarray, shape (q,)
        Training mean and standard deviation of each design column.
    """

    formula: str
    ranges: Mapping[str, tuple[float, float]]
    levels: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def matrix(self, covariates: pd.DataFrame, source: str = "covariates") -> NDArray[np.float64]:
        """Return the design columns of ``covariates``, shape (n, q), found by name.

        Raises
        ------
        CovariateError
            If a column is absent, a value is missing, or a level was not there in training.
        """
        if not self.names:
            return np.zeros((len(covariates), 0))
        columns = {name: _numbers(covariates, name, source) for name in self.ranges}
        levels = {
            name: _levels(covariates, name, known, source) for name, known in self.levels.items()
        }
        raw, names = _materialize(self.formula, pd.DataFrame({**columns, **levels}))
        if names != self.names:
            raise DesignError(f"{source}: expected design columns {self.names}, got {names}")
        return (raw - self.centre) / self.scale


def learn_design(
    covariates: pd.DataFrame,
    formula: str | None,
    categorical: tuple[str, ...] = (),
    source: str = "covariates",
) -> CovariateDesign:
    """Learn the design of ``formula`` from the training cases, shape (n, k) covariates.

    A covariate is categorical if it is declared so, marked ``C(...)``, or holds text; its levels
    are sorted and the first is the baseline.

    Raises
    ------
    CovariateError
        If the formula cannot be read, a column is absent, or a value is missing.
    DesignError
        If a covariate does not vary.
    """
    parsed = parse_formula(formula)
    groups = _categorical_columns(covariates, parsed, categorical, source)
    ranges: dict[str, tuple[float, float]] = {}
    levels: dict[str, tuple[str, ...]] = {}
    frame: dict[str, pd.Series[Any]] = {}
    for name in parsed.columns:
        if name in groups:
            known = tuple(sorted(set(_texts(covariates, name, source))))
            levels[name] = known
            frame[name] = _levels(covariates, name, known, source)
            varies = len(known) > 1
        else:
            frame[name] = _numbers(covariates, name, source)
            ranges[name] = (float(frame[name].min()), float(frame[name].max()))
            varies = ranges[name][0] < ranges[name][1]
        if not varies:
            raise DesignError(
                f"{source}: covariate '{name}' has the same value for every case, so its effect "
                "cannot be estimated; leave it out of --preserve"
            )
    if not parsed.columns:
        nothing = np.zeros(0)
        return CovariateDesign("", {}, {}, (), nothing, nothing)
    raw, names = _materialize(parsed.text, pd.DataFrame(frame))
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    flat = [name for name, spread in zip(names, scale, strict=True) if spread == 0]
    if flat:
        raise DesignError(f"{source}: design column '{flat[0]}' is constant; leave it out")
    return CovariateDesign(parsed.text, ranges, levels, names, centre, scale)


def require_estimable(
    sites: NDArray[np.int_], names: tuple[str, ...], covariates: NDArray[np.float64], site: str
) -> None:
    """Refuse a design in which site and covariates cannot be told apart.

    Each column, standardised, is regressed on the sites and on the columns before it; what is left
    of it is what the fit can learn from.

    Parameters
    ----------
    sites : ndarray of int, shape (n,)
        Site code of each case.
    names : tuple of str
        Names of the columns of ``covariates``.
    covariates : ndarray, shape (n, q)
        Centred and scaled design columns.
    site : str
        Name of the site column, for the message.

    Raises
    ------
    DesignError
        If a column is a combination of sites and earlier columns, or there are too few cases.
    """
    one_hot = (sites[:, None] == np.unique(sites)).astype(np.float64)
    n_cases, n_parameters = len(sites), one_hot.shape[1] + len(names)
    if n_cases <= n_parameters:
        raise DesignError(
            f"expected more cases than parameters, got {n_cases} cases for {one_hot.shape[1]} "
            f"sites and {len(names)} covariate columns; preserve fewer covariates or pool sites"
        )
    within = _residual(covariates, one_hot)
    for column, name in enumerate(names):
        if np.sqrt(np.mean(within[:, column] ** 2)) < RANK_TOLERANCE:
            raise DesignError(
                f"covariate '{name}' is determined by '{site}': it does not vary inside any site, "
                "so its effect and the site's cannot be told apart; leave it out of --preserve, or "
                "add sites where it varies"
            )
        left = _residual(within[:, column], within[:, :column])
        if np.sqrt(np.mean(left**2)) < RANK_TOLERANCE:
            raise DesignError(
                f"covariate '{name}' is a combination of '{site}' and "
                f"{', '.join(repr(other) for other in names[:column])}; leave one of them out"
            )


def _residual(target: NDArray[np.float64], on: NDArray[np.float64]) -> NDArray[np.float64]:
    coefficients = cast(NDArray[np.float64], np.linalg.lstsq(on, target, rcond=None)[0])
    return target - on @ coefficients


def _categorical_columns(
    covariates: pd.DataFrame, parsed: CovariateFormula, declared: tuple[str, ...], source: str
) -> set[str]:
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


def _texts(covariates: pd.DataFrame, name: str, source: str) -> pd.Series[str]:
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


def _numbers(covariates: pd.DataFrame, name: str, source: str) -> pd.Series[Any]:
    numbers = number_column(covariates, name, source)
    _require_known(name, numbers.index[numbers.isna()], source)
    return numbers


def _levels(
    covariates: pd.DataFrame, name: str, known: tuple[str, ...], source: str
) -> pd.Series[Any]:
    texts = _texts(covariates, name, source)
    strange = [str(case) for case in texts.index[~texts.isin(known)]]
    if strange:
        raise CovariateError(
            f"{source}: covariate '{name}' was fitted with levels {', '.join(known)}, got "
            f"'{texts[strange[0]]}' at id '{strange[0]}'; correct the level or fit anew"
        )
    return pd.Series(pd.Categorical(texts, categories=list(known)), index=texts.index, name=name)


def _materialize(formula: str, frame: pd.DataFrame) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    try:
        with np.errstate(all="ignore"):
            model = cast(Any, Formula)(formula).get_model_matrix(
                frame, context={}, na_action="ignore"
            )
    except (FormulaicError, TypeError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CovariateError(f"formula '{formula}' cannot be computed: {reason}") from error
    matrix = pd.DataFrame(model).drop(columns="Intercept")
    values = matrix.to_numpy(dtype=np.float64)
    names = tuple(str(name) for name in matrix.columns)
    finite = np.isfinite(values).all(axis=0)
    if not finite.all():
        raise CovariateError(
            f"design column '{names[int(np.argmin(finite))]}' is not finite for some case; is a "
            "logarithm taken of zero or less?"
        )
    return values, names
