"""Choices of a ComBat fit."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Smoothing = Literal["reml", "gcv", "neuroharmonize"]


class ComBatConfig(BaseModel):
    """What to fit, before any data is seen.

    Parameters
    ----------
    site : str
        Column that names the site (scanner, batch).
    preserve : str, optional
        Formula of the covariates whose effect is kept, such as ``"age + sex"``; None keeps none.
    categorical : tuple of str
        Covariates that name groups although they are written as numbers.
    reference : str, optional
        Site that is left as it is; the others are brought to it. None: to the pooled mean.
    empirical_bayes : bool
        Shrink each site's parameters toward their mean over features (Johnson et al. 2007).
    parametric : bool
        Normal and inverse-gamma priors; False integrates over the features themselves.
    mean_only : bool
        Correct location only and leave the variance of each site as it is.
    smooth : tuple of str
        Covariates of numbers whose effect is a penalised spline instead of a line (ComBat-GAM,
        Pomponio et al. 2020).
    robust : bool
        Median and biweight midvariance in place of mean and variance of each site.
    smoothing : {"reml", "gcv", "neuroharmonize"}
        How the smoothness of each feature's curve is chosen: by restricted maximum likelihood
        (Wood 2011), by generalised cross-validation, or over neuroHarmonize's own random folds,
        whose result depends on ``seed`` and on the order of features and cases.
    seed : int
        Of those folds; nothing else here is left to chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str = "site"
    preserve: str | None = None
    categorical: tuple[str, ...] = ()
    reference: str | None = None
    empirical_bayes: bool = True
    parametric: bool = True
    mean_only: bool = False
    smooth: tuple[str, ...] = ()
    robust: bool = False
    smoothing: Smoothing = "reml"
    seed: int = Field(default=0, ge=0)


class CovBatConfig(ComBatConfig):
    """Choices of a CovBat fit: those of ComBat, and how many components to correct.

    Parameters
    ----------
    share : float
        The fewest principal components that explain more than this share of the variance.
    components : int, optional
        So many, whatever they explain.
    """

    share: float = 0.95
    components: int | None = None


class LongitudinalComBatConfig(ComBatConfig):
    """Choices of a longitudinal fit: those of ComBat, and who was seen several times.

    Parameters
    ----------
    subject : str
        Column that names the subject of each row.
    """

    subject: str = "subject"


class NestedComBatConfig(ComBatConfig):
    """Choices of a nested fit: those of ComBat, for several batch variables.

    Parameters
    ----------
    batches : tuple of str
        Columns that name the batches, two or more; ``site`` is not used.
    best_order : bool
        Try every order; False takes the variables out in the order given.
    """

    batches: tuple[str, ...] = ()
    best_order: bool = True


class NeuroHarmonizeConfig(ComBatConfig):
    """Choices of a fit by neuroHarmonize itself: those of ComBat that it has too.

    ``parametric``, ``mean_only`` and ``robust`` stay as they are by default, and ``smoothing`` is
    neuroHarmonize's own.
    """

    smoothing: Smoothing = "neuroharmonize"


def combat_part(config: ComBatConfig) -> ComBatConfig:
    """Return the choices of ComBat alone that a configuration of its kind holds."""
    own = config.model_dump(include=set(ComBatConfig.model_fields))
    return ComBatConfig(**own)
