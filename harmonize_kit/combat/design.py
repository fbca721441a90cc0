"""The covariate design: learned once from the training cases, replayed by name on any others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.combat.covariate_values import (
    CovariateValues,
    categorical_columns,
    levels_of,
    numbers_of,
    require_smoothable,
    texts_of,
)
from harmonize_kit.combat.formula import parse_formula, without_terms
from harmonize_kit.combat.materialize import materialize
from harmonize_kit.combat.smoothing import place_penalties
from harmonize_kit.combat.spline_basis import SmoothTerm, learn_smooth_term
from harmonize_kit.errors import DesignError


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
    centre, scale : ndarray, shape (q - m,)
        Training mean and standard deviation of each column of the formula, which come first.
    smooths : tuple of SmoothTerm
        Covariates with a smooth effect, whose m columns follow.
    """

    formula: str
    ranges: Mapping[str, tuple[float, float]]
    levels: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    smooths: tuple[SmoothTerm, ...] = ()

    def matrix(self, covariates: pd.DataFrame, source: str = "covariates") -> NDArray[np.float64]:
        """Return the design columns of ``covariates``, shape (n, q), found by name.

        Raises
        ------
        CovariateError
            If a column is absent, a value is missing, or a level was not there in training.
        """
        return self.columns(self.read(covariates, source), source)

    def read(self, covariates: pd.DataFrame, source: str = "covariates") -> CovariateValues:
        """Return the covariates of the design, found by name; raises as :meth:`matrix` does."""
        return CovariateValues(
            len(covariates),
            {name: numbers_of(covariates, name, source) for name in self.ranges},
            {
                name: levels_of(covariates, name, known, source)
                for name, known in self.levels.items()
            },
        )

    def columns(self, values: CovariateValues, source: str = "covariates") -> NDArray[np.float64]:
        """Return the design columns of covariates that were read, shape (n, q)."""
        raw, names = materialize(self.formula, values)
        names += tuple(name for term in self.smooths for name in term.names)
        if names != self.names:
            raise DesignError(f"{source}: expected design columns {self.names}, got {names}")
        curved = [term.columns(values.numbers[term.name]) for term in self.smooths]
        return np.hstack([(raw - self.centre) / self.scale, *curved])

    def penalties(self) -> NDArray[np.float64]:
        """Return the penalty of each smooth covariate, shape (t, q, q)."""
        blocks: list[tuple[slice, NDArray[np.float64]]] = []
        start = len(self.centre)
        for term in self.smooths:
            blocks.append((slice(start, start + len(term.centre)), term.penalty()))
            start += len(term.centre)
        return place_penalties(len(self.names), blocks)

    def unpenalised(
        self, values: CovariateValues, matrix: NDArray[np.float64]
    ) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Return names and columns of what no penalty steadies: a smooth effect's straight line.

        Parameters
        ----------
        values : CovariateValues
            Of n cases.
        matrix : ndarray, shape (n, q)
            Their design columns.
        """
        count = len(self.centre)
        lines = [values.numbers[term.name] for term in self.smooths]
        scaled = [(line - line.mean()) / line.std() for line in lines]
        names = (*self.names[:count], *(term.name for term in self.smooths))
        return names, np.column_stack([matrix[:, :count], *scaled])

    def beyond(self, values: CovariateValues, slack: float = 0.0) -> dict[str, NDArray[np.bool_]]:
        """Tell which cases lie outside the training range of each covariate, shape (n,).

        ``slack`` is the share of the range's width by which a case may lie outside.
        """
        found: dict[str, NDArray[np.bool_]] = {}
        for name, (low, high) in self.ranges.items():
            own, more = values.numbers[name], slack * (high - low)
            found[name] = (own < low - more) | (own > high + more)
        return found


def learn_design(
    covariates: pd.DataFrame,
    formula: str | None,
    categorical: tuple[str, ...] = (),
    source: str = "covariates",
    smooth: tuple[str, ...] = (),
) -> CovariateDesign:
    """Learn the design of ``formula`` from the training cases, (n, k) covariates.

    A covariate is categorical if it is declared so, marked ``C(...)``, or holds text; its levels
    are sorted and the first is the baseline. A covariate in ``smooth`` has a smooth effect, and
    its plain term in the formula, if there is one, gives way to it.

    Raises
    ------
    CovariateError
        If the formula cannot be read, a column is absent, or a value is missing.
    DesignError
        If a covariate does not vary.
    """
    return learn_values(covariates, formula, categorical, source, smooth)[0]


def learn_values(
    covariates: pd.DataFrame,
    formula: str | None,
    categorical: tuple[str, ...] = (),
    source: str = "covariates",
    smooth: tuple[str, ...] = (),
    *,
    distinct_knots: bool = True,
) -> tuple[CovariateDesign, CovariateValues]:
    """Return the design as :func:`learn_design` does, and the covariates it was learned from.

    ``distinct_knots`` is that of :func:`learn_smooth_term`.
    """
    parsed = without_terms(parse_formula(formula), smooth)
    groups = categorical_columns(covariates, parsed, categorical, source)
    require_smoothable(covariates, smooth, groups, source)
    ranges: dict[str, tuple[float, float]] = {}
    levels: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, NDArray[np.float64]] = {}
    coded: dict[str, pd.Categorical[Any]] = {}
    for name in dict.fromkeys((*parsed.columns, *smooth)):
        if name in groups:
            known = tuple(sorted(set(texts_of(covariates, name, source))))
            levels[name] = known
            coded[name] = levels_of(covariates, name, known, source)
            varies = len(known) > 1
        else:
            numbers[name] = numbers_of(covariates, name, source)
            ranges[name] = (float(numbers[name].min()), float(numbers[name].max()))
            varies = ranges[name][0] < ranges[name][1]
        if not varies:
            raise DesignError(
                f"{source}: covariate '{name}' has the same value for every case, so its effect "
                "cannot be estimated; leave it out of --preserve"
            )
    values = CovariateValues(len(covariates), numbers, coded)
    raw, names = materialize(parsed.text, values)
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    flat = [name for name, spread in zip(names, scale, strict=True) if spread == 0]
    if flat:
        raise DesignError(f"{source}: design column '{flat[0]}' is constant; leave it out")
    smooths = tuple(
        learn_smooth_term(name, numbers[name], distinct_knots=distinct_knots) for name in smooth
    )
    names += tuple(name for term in smooths for name in term.names)
    return CovariateDesign(parsed.text, ranges, levels, names, centre, scale, smooths), values
