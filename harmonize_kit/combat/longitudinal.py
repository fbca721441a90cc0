"""Longitudinal ComBat: site effects of repeated scans, estimated beside a subject's own level.

Beer et al. 2020, NeuroImage 220:117129, in the form of the R package longCombat: a random intercept
per subject stands in the model of the mean. Visits of one subject are then no independent cases,
and a subject seen at two sites tells their difference. Against ComBat three things differ:

1. fixed effects come from the mixed model (one intercept per site, brought to a sum of zero
   weighted by rows), and the pooled SD is its residual SD (restricted maximum likelihood);
2. the mean of a row gains its subject's predicted intercept;
3. sums per site are taken of ``values - intercepts``; location, scale and shrinkage follow as in
   ComBat.

To apply, with the intercepts ``own`` that :meth:`SubjectModel.predict` gives for the new rows::

    mean = grand_mean + covariates @ coefficients + own
    harmonized = (values - mean - location[codes] * pooled_sd) / sqrt(scale)[codes] + mean

which is ComBat's own equation for ``values - own``, and ``own`` put back.

The model holds no subject: an intercept is predicted anew from the rows at hand, so the visits of
one subject belong in one table, and a visit alone is drawn more toward the mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.effects import SiteEffects
from harmonize_kit.combat.location_scale import (
    Standardisation,
    constant_features,
    site_location_scale,
)
from harmonize_kit.combat.random_intercept import fit_random_intercept, predict_intercepts
from harmonize_kit.combat.sums import sum_rows

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SubjectModel:
    """What the mixed model adds to a :class:`Standardisation`; nothing of a subject.

    Parameters
    ----------
    site_effects : ndarray, shape (k, p)
        Additive fixed effects of the sites in units of the feature, before shrinkage, from the
        grand mean: weighted by rows they sum to 0, or that of a reference site is 0.
    ratio : ndarray, shape (p,)
        Variance between subjects over variance within; 0 makes every predicted intercept 0.
    """

    site_effects: Array
    ratio: Array

    def predict(
        self,
        values: Array,
        standard: Standardisation,
        codes: NDArray[np.int_],
        covariates: Array,
        subjects: NDArray[np.int_],
    ) -> Array:
        """Return the intercept of each row's subject, shape (n, p), from these rows alone.

        Parameters
        ----------
        values : ndarray, shape (n, p)
            A missing cell (NaN) counts for nothing.
        standard : Standardisation
        codes, subjects : ndarray of int, shape (n,)
            Site and subject of each row; every subject code from 0 occurs.
        covariates : ndarray, shape (n, q)
        """
        fixed = standard.grand_mean + covariates @ standard.coefficients + self.site_effects[codes]
        return predict_intercepts(values - fixed, subjects, self.ratio)


def estimate_longitudinal_effects(
    values: Array,
    codes: NDArray[np.int_],
    covariates: Array,
    subjects: NDArray[np.int_],
    *,
    reference: int | None = None,
    mean_only: NDArray[np.bool_],
) -> tuple[SiteEffects, SubjectModel]:
    """Estimate location and scale of each site and feature beside the subjects' own levels.

    A feature that does not vary within subjects is passed through, as one that does not vary in
    some site.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Finite; a row is a visit.
    codes, subjects : ndarray of int, shape (n,)
        Site and subject of each row; every code from 0 occurs.
    covariates : ndarray, shape (n, q)
        Centred and scaled design columns without intercept.
    reference : int, optional
        Site whose level is the grand mean.
    mean_only : ndarray of bool, shape (k,)
        Sites whose variance is left alone.

    Raises
    ------
    DesignError
        If the variance within or between subjects cannot be estimated.
    """
    standard, model = standardise_longitudinal(
        values, codes, len(mean_only), covariates, subjects, reference
    )
    rows = [np.flatnonzero(codes == site) for site in range(len(mean_only))]
    raw = [sum_rows(covariates[own], values[own]) for own in rows]
    constant = constant_features(raw) | (standard.pooled_sd == 0)
    standard = replace(standard, pooled_sd=np.where(constant, 1.0, standard.pooled_sd))
    model = replace(model, ratio=np.where(constant, 0.0, model.ratio))
    left = values - model.predict(values, standard, codes, covariates, subjects)
    sums = [sum_rows(covariates[own], left[own]) for own in rows]
    location, scale, squares = site_location_scale(sums, standard, mean_only=mean_only)
    location[:, constant], scale[:, constant] = 0.0, 1.0
    counts = np.array([[len(own)] for own in rows], dtype=np.float64)
    sparse = np.zeros(len(constant), dtype=np.bool_)
    return SiteEffects(standard, location, scale, squares, counts, constant, sparse), model


def standardise_longitudinal(
    values: Array,
    codes: NDArray[np.int_],
    n_sites: int,
    covariates: Array,
    subjects: NDArray[np.int_],
    reference: int | None = None,
) -> tuple[Standardisation, SubjectModel]:
    """Fit sites, covariates and a random intercept per subject.

    Parameters and errors are those of :func:`estimate_longitudinal_effects`. The pooled SD is 0
    where a feature does not vary within subjects, or not at all.
    """
    one_hot = (codes[:, None] == np.arange(n_sites)).astype(np.float64)
    fitted = fit_random_intercept(np.hstack([one_hot, covariates]), subjects, values)
    intercepts, effects = fitted.coefficients[:n_sites], fitted.coefficients[n_sites:]
    grand = one_hot.mean(axis=0) @ intercepts if reference is None else intercepts[reference]
    standard = Standardisation(grand, effects, np.sqrt(fitted.residual_variance))
    return standard, SubjectModel(intercepts - grand, fitted.ratio)
