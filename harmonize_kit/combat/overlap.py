"""Whether the sites' cases are alike enough in their covariates to be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.covariate_values import CovariateValues

LEAST_INSIDE = 0.5


def poor_overlap(
    sites: Sequence[str],
    codes: NDArray[np.int_],
    covariates: CovariateValues,
) -> list[str]:
    """Return a sentence for each covariate and site that hardly overlaps with the others.

    A covariate of numbers overlaps where at least half of a site's cases lie within the range of
    all other sites; a categorical one, where no level occurs at one site alone. Without overlap
    the covariate's effect at that site is known by extrapolation only, and an error in it is taken
    for the site (Bayer et al. 2022, Front Neurol 13:923988).

    Parameters
    ----------
    sites : sequence of str
    codes : ndarray of int, shape (n,)
    covariates : CovariateValues
    """
    told: list[str] = []
    for name, values in covariates.numbers.items():
        for code, site in enumerate(sites):
            own, others = values[codes == code], values[codes != code]
            low, high = float(others.min()), float(others.max())
            inside = float(np.mean((own >= low) & (own <= high)))
            if inside < LEAST_INSIDE:
                told.append(
                    f"'{name}' of site '{site}' ({own.min():g} to {own.max():g}, {len(own)} cases) "
                    f"lies for {inside:.0%} of its cases within the other sites' range "
                    f"({low:g} to {high:g})"
                )
    for name, levels in covariates.levels.items():
        for number, level in enumerate(levels.categories):
            counts = np.bincount(codes[levels.codes == number], minlength=len(sites))
            if np.count_nonzero(counts) == 1:
                told.append(
                    f"level '{level}' of '{name}' occurs at site '{sites[int(counts.argmax())]}' "
                    f"only ({int(counts.sum())} cases)"
                )
    return told
