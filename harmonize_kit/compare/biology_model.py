"""Effects and curves of all covariates in one table, and in its bootstrap samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, column_scale
from harmonize_kit.compare.covariate_curves import CurveBasis, curve_basis
from harmonize_kit.compare.covariates import Covariate
from harmonize_kit.compare.effect_agreement import (
    in_residual_sd,
    pooled_effects,
    within_site_effects,
)
from harmonize_kit.compare.moments import resampled_moments
from harmonize_kit.compare.slopes import by_site, overall, slopes


@dataclass(frozen=True)
class BiologyDesign:
    """Columns of the covariates: straight ones first, then the bends of those with a curve.

    Parameters
    ----------
    columns : ndarray, shape (n, d + bends)
    own : mapping of str to slice
        Straight columns of each covariate.
    bases : mapping of str to CurveBasis
        Of covariates whose values allow a curve.
    bends : mapping of str to slice
        Their further columns.
    """

    columns: Floats
    own: Mapping[str, slice]
    bases: Mapping[str, CurveBasis]
    bends: Mapping[str, slice]

    @property
    def straight(self) -> list[int]:
        """Positions of the straight columns."""
        return list(range(max((own.stop for own in self.own.values()), default=0)))

    def curve(self, name: str) -> list[int]:
        """Return the columns of a model with the curve of one covariate, its own first."""
        first, bends = self.own[name].start, self.bends[name]
        rest = [column for column in self.straight if column != first]
        return [first, *range(bends.start, bends.stop), *rest]


@dataclass(frozen=True)
class BiologyDraws:
    """What covariates do to the features, in ``b`` weightings of the cases.

    Parameters
    ----------
    effects : ndarray, shape (b, d, p)
        Slopes in residual standard deviations.
    curves : mapping of str to ndarray, shape (b, 3, p)
        Coefficients of each curve, in the same unit.
    """

    effects: Floats
    curves: Mapping[str, Floats]


def biology_design(covariates: Sequence[Covariate]) -> BiologyDesign:
    """Return the columns of the covariates, with a curve for each number of many values."""
    ends = np.cumsum([0, *(covariate.columns.shape[1] for covariate in covariates)]).tolist()
    names = [covariate.name for covariate in covariates]
    own = {name: slice(*bounds) for name, bounds in zip(names, pairwise(ends), strict=True)}
    bases = {
        covariate.name: basis
        for covariate in covariates
        if covariate.kind == "numeric" and (basis := curve_basis(covariate.values)) is not None
    }
    bends: dict[str, slice] = {}
    columns = [covariate.columns for covariate in covariates]
    stop = int(ends[-1])
    for name, basis in bases.items():
        further = basis.columns[:, 1:]
        columns.append(further)
        bends[name] = slice(stop, stop + further.shape[1])
        stop += further.shape[1]
    return BiologyDesign(np.hstack(columns), own, bases, bends)


def draw_biology(
    values: Floats, site: Ints, design: BiologyDesign, weights: Floats, *, within: bool
) -> BiologyDraws:
    """Return effects and curves under every row of ``weights``.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    design : BiologyDesign
    weights : ndarray, shape (b, n)
        How often each case counts: bootstrap counts, or a row of ones for the cases as they are.
    within : bool
        Within sites (effects pooled over sites, curves with a level for each), or in all cases as
        one sample.
    """
    mean, scale = column_scale(values)
    groups = site if within else np.zeros_like(site)
    p = values.shape[1]
    effects: list[Floats] = [np.empty((0, len(design.straight), p))]
    curves: dict[str, list[Floats]] = {
        name: [np.empty((0, basis.at.shape[1], p))] for name, basis in design.bases.items()
    }
    for moments in resampled_moments((values - mean) / scale, groups, design.columns, weights):
        sums = by_site(moments) if within else overall(moments)
        one = sums.pooled() if within else sums
        straight = sums.only(design.straight)
        effects.append(within_site_effects(straight) if within else pooled_effects(straight))
        for name, found in curves.items():
            fits = slopes(one.only(design.curve(name)))
            scaled = in_residual_sd(fits.value, fits.residual, fits.freedom)
            found.append(scaled[:, : design.bases[name].at.shape[1]])
    return BiologyDraws(
        np.concatenate(effects), {name: np.concatenate(found) for name, found in curves.items()}
    )
