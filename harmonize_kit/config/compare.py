"""Choices of a comparison."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CompareConfig(BaseModel):
    """How candidates are judged, before any data is seen.

    Parameters
    ----------
    folds : int
        Folds of the cross-validation. A site needs this many subjects to take part in it.
    permutations : int
        Draws of every null distribution; 0 makes none.
    bootstraps : int
        Draws of every interval; 0 makes none.
    seed : int
        Of folds, permutations and bootstraps. All candidates share the same draws.
    components : int
        Most principal components the linear site probe sees; never more than a third of the
        training cases.
    nonlinear_components : int
        Most principal components whose squares and products the nonlinear probe sees.
    between_components : int
        Most principal components for Mahalanobis and covariance distances between sites; never
        more than a fifth of the cases.
    distance_cases : int
        Most cases whose distances to each other are taken (energy distance, mixing); of more, a
        sample of subjects is drawn within sites.
    shrinkage : float
        Weight of the scaled identity in the covariance of the site probes.
    significance : float
        Level of q under which a feature counts as significant.
    small_site : int
        Sites with fewer subjects are named in the warnings.
    confounding : float
        Share of a covariate's variance that lies between sites above which it is named as
        confounded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folds: int = Field(default=5, ge=2)
    permutations: int = Field(default=200, ge=0)
    bootstraps: int = Field(default=500, ge=0)
    seed: int = Field(default=0, ge=0)
    components: int = Field(default=100, ge=1)
    nonlinear_components: int = Field(default=15, ge=1)
    between_components: int = Field(default=30, ge=1)
    distance_cases: int = Field(default=600, ge=20)
    shrinkage: float = Field(default=0.1, gt=0, le=1)
    significance: float = Field(default=0.05, gt=0, lt=1)
    small_site: int = Field(default=10, ge=0)
    confounding: float = Field(default=0.6, gt=0, le=1)
