"""A covariate design whose ranges, levels and knots were agreed before any data was seen.

What a fit usually learns from its cases (:mod:`harmonize_kit.combat.design`) sites that keep their
cases to themselves must agree on. With the same agreement the fit in one place and the federated
fit have the same columns, and so the same result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonize_kit.combat.covariate_values import CovariateValues, levels_of, numbers_of, texts_of
from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.combat.formula import CovariateFormula, parse_formula, without_terms
from harmonize_kit.combat.materialize import materialize
from harmonize_kit.combat.spline_basis import DEGREE, N_BASIS, SmoothTerm
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.errors import ConfigError, CovariateError, DesignError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AgreedCovariates:
    """What is known of covariates beforehand.

    Parameters
    ----------
    ranges : mapping of str to (float, float)
        Of each covariate of numbers.
    levels : mapping of str to tuple of str
        Of each categorical covariate; the first is the baseline.
    knots : mapping of str to tuple of float
        Inner knots of smooth covariates; evenly spaced ones otherwise.
    """

    ranges: Mapping[str, tuple[float, float]]
    levels: Mapping[str, tuple[str, ...]]
    knots: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])

    @classmethod
    def of(cls, plan: FederationPlan) -> AgreedCovariates:
        """Return what a plan says of covariates."""
        return cls(plan.ranges, plan.levels, plan.knots)

    def formula(self, config: ComBatConfig) -> CovariateFormula:
        """Return the formula of a configuration, less its smooth covariates.

        Raises
        ------
        ConfigError
            If a covariate of it is not agreed on, or one that is agreed on is none of its.
        """
        parsed = without_terms(parse_formula(config.preserve), config.smooth)
        wanted = dict.fromkeys((*parsed.columns, *config.smooth))
        known = {*self.ranges, *self.levels}
        for name in wanted:
            if name not in known:
                raise ConfigError(f"covariate '{name}' has neither 'ranges' nor 'levels' agreed on")
        for name in (*config.categorical, *sorted(parsed.categorical)):
            if name not in self.levels:
                raise ConfigError(f"covariate '{name}' is categorical and needs 'levels'")
        strange = sorted(known - set(wanted))
        if strange:
            raise ConfigError(
                f"'{strange[0]}' is agreed on but is no preserved covariate; name it in 'preserve'"
            )
        return parsed

    def read(self, covariates: pd.DataFrame, source: str) -> CovariateValues:
        """Return the covariates, found by name.

        Raises
        ------
        CovariateError
            If one is absent, missing for some case, or not as was agreed.
        """
        numbers: dict[str, Array] = {}
        for name, (low, high) in self.ranges.items():
            own = numbers[name] = numbers_of(covariates, name, source)
            outside = np.flatnonzero((own < low) | (own > high))
            if len(outside):
                raise CovariateError(
                    f"{source}: '{name}' was agreed to lie between {low:g} and {high:g}, got "
                    f"{own[outside[0]]:g} at id '{covariates.index[outside[0]]}' ({len(outside)} "
                    "cases outside); agree on a wider range, or leave these cases out"
                )
        for name, known in self.levels.items():
            texts = texts_of(covariates, name, source)
            strange = texts.index[~texts.isin(known)]
            if len(strange):
                raise CovariateError(
                    f"{source}: levels {', '.join(known)} were agreed on for '{name}', got "
                    f"'{texts[strange[0]]}' at id '{strange[0]}'; correct it, or agree anew"
                )
        levels = {
            name: levels_of(covariates, name, known, source) for name, known in self.levels.items()
        }
        return CovariateValues(len(covariates), numbers, levels)

    def smooth_terms(self, smooth: Sequence[str]) -> tuple[SmoothTerm, ...]:
        """Return the smooth covariates as columns that are not centred yet."""
        terms: list[SmoothTerm] = []
        for name in smooth:
            low, high = self.ranges[name]
            share = np.linspace(0, 1, N_BASIS - DEGREE + 1)[1:-1]
            if name in self.knots:
                share = (np.array(self.knots[name], dtype=np.float64) - low) / (high - low)
            terms.append(SmoothTerm(name, low, high, share, np.zeros(len(share) + DEGREE)))
        return tuple(terms)


def plain_columns(
    parsed: CovariateFormula, terms: Sequence[SmoothTerm], values: CovariateValues
) -> tuple[Array, tuple[str, ...]]:
    """Return the design columns as they are, neither centred nor scaled, (n, q), and their names.

    ``terms`` are those of :meth:`AgreedCovariates.smooth_terms`.
    """
    raw, names = materialize(parsed.text, values)
    curved = [term.columns(values.numbers[term.name]) for term in terms]
    names += tuple(name for term in terms for name in term.names)
    return np.hstack([raw, *curved]), names


def standardised_design(
    parsed: CovariateFormula,
    agreed: AgreedCovariates,
    terms: Sequence[SmoothTerm],
    names: tuple[str, ...],
    moments: tuple[Array, Array],
    source: str,
) -> CovariateDesign:
    """Return the design that centres and scales plain columns by the mean and SD of all cases.

    Parameters
    ----------
    parsed, agreed, terms, names
        See :func:`plain_columns`.
    moments : tuple of ndarray, each of shape (q,)
        Mean and standard deviation of each column.
    source : str

    Raises
    ------
    DesignError
        If a column is constant.
    """
    mean, sd = moments
    straight = len(names) - sum(len(term.centre) for term in terms)
    flat = [name for name, spread in zip(names[:straight], sd, strict=False) if spread == 0]
    if flat:
        raise DesignError(f"{source}: design column '{flat[0]}' is constant; leave it out")
    smooths: list[SmoothTerm] = []
    start = straight
    for term in terms:
        smooths.append(replace(term, centre=mean[start : start + len(term.centre)]))
        start += len(term.centre)
    return CovariateDesign(
        parsed.text, dict(agreed.ranges), dict(agreed.levels), names,
        mean[:straight], sd[:straight], tuple(smooths),
    )  # fmt: skip


def learn_agreed(
    config: ComBatConfig, agreed: AgreedCovariates, covariates: pd.DataFrame, source: str
) -> tuple[CovariateDesign, CovariateValues]:
    """Return the design of cases that are in one place, and their covariates.

    Raises
    ------
    ConfigError, CovariateError, DesignError
        See :meth:`AgreedCovariates.formula`, :meth:`AgreedCovariates.read` and
        :func:`standardised_design`.
    """
    parsed, values = agreed.formula(config), agreed.read(covariates, source)
    terms = agreed.smooth_terms(config.smooth)
    raw, names = plain_columns(parsed, terms, values)
    moments = cast(tuple[Array, Array], (raw.mean(axis=0), raw.std(axis=0)))
    return standardised_design(parsed, agreed, terms, names, moments, source), values
