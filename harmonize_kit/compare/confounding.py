"""Can site and biology be told apart in these cases at all? Collinearity and overlap.

Both are properties of who was scanned where, before any feature is looked at. No harmonizer can
repair them, and no judge can see past them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, column_scale, indicators
from harmonize_kit.compare.covariates import Covariate

COLLINEAR = 30.0  # Belsley, Kuh and Welsch 1980: from 30 on, slopes are degraded
SEPARATE = 0.2


def condition_number(site: Ints, covariates: Floats) -> float:
    """Return the scaled condition number of the design of site and covariates.

    Columns are scaled to unit length but not centred (Belsley, Kuh and Welsch 1980, Regression
    Diagnostics, chapter 3). One where all columns are orthogonal.

    Parameters
    ----------
    site : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, d)
        Without intercept; standardised here, so that units and reference levels do not matter.
    """
    sites = indicators(site, int(site.max()) + 1)
    mean, scale = column_scale(covariates)
    design = np.hstack([sites[:, sites.any(axis=0)], (covariates - mean) / scale])
    singular = np.linalg.svd(design / np.linalg.norm(design, axis=0), compute_uv=False)
    return float(singular[0] / max(float(singular[-1]), np.finfo(np.float64).tiny))


def overlap(covariate: Covariate, site: Ints) -> Floats:
    """Return how far the covariate of each site overlaps that of all others, shape (k,), in [0, 1].

    For numbers one less the largest distance of the two distribution functions (Kolmogorov and
    Smirnov), for levels one less their total variation distance: 0 where a site's people are
    unlike anybody scanned elsewhere, 1 where they are distributed alike.

    Parameters
    ----------
    covariate : Covariate
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    """
    k = int(site.max()) + 1
    found = np.empty(k)
    values = np.unique(covariate.values)
    for code in range(k):
        here, there = covariate.values[site == code], covariate.values[site != code]
        if covariate.kind == "numeric":
            gap = np.searchsorted(np.sort(here), values, side="right") / len(here)
            gap = gap - np.searchsorted(np.sort(there), values, side="right") / len(there)
            found[code] = 1 - np.max(np.abs(gap))
        else:
            shares = [np.mean(part[:, None] == values, axis=0) for part in (here, there)]
            found[code] = 1 - np.sum(np.abs(shares[0] - shares[1])) / 2
    return found


def warnings_of_design(
    site: Ints, sites: Sequence[str], covariates: Sequence[Covariate], columns: Floats
) -> list[str]:
    """Return sentences that name a design whose site and biology can hardly be told apart.

    Parameters
    ----------
    site : ndarray of int, shape (n,)
    sites : sequence of str
        Names of the k sites.
    covariates : sequence of Covariate
    columns : ndarray, shape (n, d)
        All covariates as columns.
    """
    found: list[str] = []
    condition = condition_number(site, columns)
    if condition >= COLLINEAR:
        found.append(
            f"the design of site and covariates has condition number {condition:.0f} (30 is high): "
            "small changes of the cases move the estimated effects far"
        )
    for covariate in covariates:
        shares = overlap(covariate, site)
        apart = [name for name, share in zip(sites, shares, strict=True) if share < SEPARATE]
        if apart:
            listed = ", ".join(apart[:5]) + (f" and {len(apart) - 5} more" if apart[5:] else "")
            found.append(
                f"'{covariate.name}' hardly overlaps between sites: {listed} saw people unlike "
                "those of all other sites, so its effect there is extrapolated"
            )
    return found


def by_site(covariate: Covariate, site: Ints, sites: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return ``quantiles`` (least, three quartiles, greatest) or ``counts`` of levels by site.

    Parameters
    ----------
    covariate : Covariate
    site : ndarray of int, shape (n,)
    sites : sequence of str
        Names of the k sites.
    """
    found: dict[str, dict[str, object]] = {}
    for code, name in enumerate(sites):
        here = covariate.values[site == code]
        if covariate.kind == "numeric":
            spread = np.quantile(here, [0, 0.25, 0.5, 0.75, 1])
            found[name] = {"quantiles": [float(number) for number in spread]}
        else:
            counts = np.bincount(here.astype(np.intp), minlength=len(covariate.levels))
            levels = zip(covariate.levels, counts, strict=True)
            found[name] = {"counts": {level: int(count) for level, count in levels}}
    return found
