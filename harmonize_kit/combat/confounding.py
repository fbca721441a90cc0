"""Whether the effects of site and covariates can be told apart."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import DesignError

RANK_TOLERANCE = 1e-8


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
    n_sites = one_hot.shape[1]
    n_cases, n_parameters = len(sites), n_sites + len(names)
    if n_cases <= n_parameters:
        raise DesignError(
            f"expected more cases than parameters, got {n_cases} cases for {n_sites} "
            f"sites and {len(names)} covariate columns; preserve fewer covariates or pool sites"
        )
    means: NDArray[np.float64] = one_hot.T @ covariates / one_hot.sum(axis=0)[:, None]
    within: NDArray[np.float64] = covariates - one_hot @ means
    for column, name in enumerate(names):
        if np.sqrt(np.mean(within[:, column] ** 2)) < RANK_TOLERANCE:
            raise DesignError(
                f"covariate '{name}' is determined by '{site}': it does not vary inside any site, "
                "so its effect and the site's cannot be told apart; leave it out of --preserve, or "
                "add sites where it varies"
            )
        left = _residual(within[:, column], within[:, :column]) if column else within[:, 0]
        if np.sqrt(np.mean(left**2)) < RANK_TOLERANCE:
            raise DesignError(
                f"covariate '{name}' is a combination of '{site}' and "
                f"{', '.join(repr(other) for other in names[:column])}; leave one of them out"
            )


def _residual(target: NDArray[np.float64], on: NDArray[np.float64]) -> NDArray[np.float64]:
    coefficients = cast(NDArray[np.float64], np.linalg.lstsq(on, target, rcond=None)[0])
    return target - on @ coefficients
