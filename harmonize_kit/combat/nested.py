"""Nested ComBat: several batch variables (scanner, kernel, contrast ...) one after another.

Horng et al. 2022, Sci Rep 12:4493. ComBat for the second variable starts from what ComBat for the
first left, and so on; a model is the chain of these fits, and applying it replays the chain. Order
matters. Given none, every order is tried and the one is kept that leaves the fewest features whose
distribution differs between the batches of some variable (Anderson-Darling test of k samples,
p < 0.05, as in OPNested ComBat, Horng et al. 2022, doi 10.1038/s41598-022-23328-0); of orders that
are equally good, the first in the order of the given names. The choice looks at the training cases
only, at values rather than residuals: covariates that differ between batches count as well.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from harmonize_kit.combat.anderson_darling import anderson_darling
from harmonize_kit.combat.harmonizer import ComBatHarmonizer
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable, text_column
from harmonize_kit.errors import ConfigError, HarmonizeWarning

SIGNIFICANT = 0.05
# 6 variables have 720 orders; each more multiplies the fits.
MOST_TRIED = 6


@dataclass(frozen=True)
class FittedNestedComBat:
    """A chain of fitted ComBats, one for each batch variable, in the order they were taken out."""

    stages: tuple[FittedComBat, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """The batch variables, first taken out first."""
        return tuple(stage.config.site for stage in self.stages)

    def apply(self, table: FeatureTable) -> FeatureTable:
        """Return the table with the effects of all batch variables taken out.

        Raises
        ------
        UnseenSiteError, TableError, CovariateError
            See :meth:`FittedComBat.apply`.
        """
        for stage in self.stages:
            table = stage.apply(table)
        return table


@dataclass(frozen=True)
class NestedComBatHarmonizer:
    """ComBat over several batch variables, as a configuration.

    Parameters
    ----------
    batches : tuple of str
        Columns that name the batches; two or more.
    config : ComBatConfig
        Choices of each ComBat; ``site`` gives way to each batch variable in turn.
    best_order : bool
        Try every order; False takes the variables out in the order of ``batches``.
    """

    batches: tuple[str, ...]
    config: ComBatConfig = field(default_factory=ComBatConfig)
    best_order: bool = True

    def fit(self, table: FeatureTable) -> FittedNestedComBat:
        """Learn the effects of the batch variables one after another.

        Raises
        ------
        ConfigError
            If fewer than two variables are given, one twice, too many to try every order, or a
            reference, which would belong to one of them only.
        DesignError, CovariateError, TableError
            See :meth:`ComBatHarmonizer.fit`.
        """
        self._require_valid()
        order = self.batches
        if self.best_order:
            with warnings.catch_warnings():
                # The chain that is kept is fitted once more below, and says what is to be said.
                warnings.simplefilter("ignore", HarmonizeWarning)
                order = min(self._outcomes(table, ()), key=lambda outcome: outcome[0])[1]
        stages: list[FittedComBat] = []
        for batch in order:
            stages.append(self._fit_one(batch, table))
            table = stages[-1].apply(table)
        return FittedNestedComBat(tuple(stages))

    def _outcomes(
        self, table: FeatureTable, done: tuple[str, ...]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yield each order that begins with ``done`` and how many features it leaves differing."""
        left = [batch for batch in self.batches if batch not in done]
        if not left:
            yield count_differing(table, self.batches), done
        for batch in left:
            yield from self._outcomes(self._fit_one(batch, table).apply(table), (*done, batch))

    def _fit_one(self, batch: str, table: FeatureTable) -> FittedComBat:
        return ComBatHarmonizer(self.config.model_copy(update={"site": batch})).fit(table)

    def _require_valid(self) -> None:
        if len(self.batches) < 2 or len(set(self.batches)) < len(self.batches):
            raise ConfigError(
                "nested ComBat takes two or more different batch variables, got "
                f"{', '.join(self.batches) or 'none'}; name one column each (--batch scanner "
                "--batch kernel)"
            )
        if self.best_order and len(self.batches) > MOST_TRIED:
            raise ConfigError(
                f"every order of at most {MOST_TRIED} batch variables is tried, got "
                f"{len(self.batches)}; give the order yourself"
            )
        if self.config.reference is not None:
            raise ConfigError(
                f"nested ComBat has no reference, got '{self.config.reference}': it would be a "
                "batch of one variable only"
            )


def count_differing(table: FeatureTable, batches: tuple[str, ...]) -> int:
    """Return the number of features that differ between batches, summed over the variables.

    A feature with missing cells is tested on the cases that have it.
    """
    values = table.values
    gaps = np.isnan(values).any(axis=0)
    found = 0
    for batch in batches:
        named = text_column(table.covariates, batch, table.source).to_numpy(dtype=str)
        codes = np.unique(named, return_inverse=True)[1]
        found += int((anderson_darling(values[:, ~gaps], codes) < SIGNIFICANT).sum())
        for column in np.flatnonzero(gaps):
            known = ~np.isnan(values[:, column])
            own = np.unique(codes[known], return_inverse=True)[1]
            if own.size and own.max() > 0:
                p = anderson_darling(values[known][:, [column]], own)
                found += int(p[0] < SIGNIFICANT)
    return found
