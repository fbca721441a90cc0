"""Choices of a ComBat fit."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str = "site"
    preserve: str | None = None
    categorical: tuple[str, ...] = ()
    reference: str | None = None
    empirical_bayes: bool = True
    parametric: bool = True
    mean_only: bool = False
