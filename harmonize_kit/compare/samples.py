"""Cases a metric looks at, with their draws: those of large sites, or a sample of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Flags, Floats, Ints, constant_columns
from harmonize_kit.compare.resampling import bootstrap_weights, site_permutations
from harmonize_kit.compare.residuals import Residuals, residuals
from harmonize_kit.compare.study import Study

FEWEST = 5  # cases of a site below which its variance, let alone its covariance, says little


@dataclass(frozen=True)
class Sample:
    """Some cases, in ascending order of site.

    Parameters
    ----------
    rows : ndarray of int, shape (m,)
        Positions among all cases.
    sites : tuple of str
        Names of the k sites.
    site : ndarray of int, shape (m,)
        Codes 0 to k - 1, ascending, each of which occurs.
    covariates : ndarray, shape (m, d)
    weights : ndarray, shape (b, m)
        Bootstrap counts.
    permutations : ndarray of int, shape (b, m)
        Across sites.
    total : int
        Number of all cases.
    """

    rows: Ints
    sites: tuple[str, ...]
    site: Ints
    covariates: Floats
    weights: Floats
    permutations: Ints
    total: int

    def residuals(self, values: Floats) -> Residuals | None:
        """Return the residuals of the features that vary among these cases, None if none does.

        Parameters
        ----------
        values : ndarray, shape (n, p)
            Of all cases.
        """
        varying = self.varying(values)
        if not varying.any():
            return None
        return residuals(values[np.ix_(self.rows, varying)], self.site, self.covariates)

    def varying(self, values: Floats) -> Flags:
        """Tell which features of all cases, shape (n, p), vary among these."""
        return ~constant_columns(values[self.rows])


def sample_of(
    study: Study, rows: Ints, permutations: int, bootstraps: int, seed: int
) -> Sample | None:
    """Draw for the cases ``rows``; None where they come from fewer than two sites."""
    codes, site = np.unique(study.site[rows], return_inverse=True)
    if len(codes) < 2:
        return None
    order = np.argsort(site, kind="stable")
    rows, site = rows[order], site[order].astype(np.intp)
    subject = study.subject[rows]
    return Sample(
        rows,
        tuple(study.sites[int(code)] for code in codes),
        site,
        study.biology_columns[rows],
        bootstrap_weights(site, subject, bootstraps, seed),
        site_permutations(site, subject, permutations, seed),
        len(study.ids),
    )


def large_sites(study: Study) -> Ints:
    """Return the rows of sites with at least five cases."""
    counts = np.bincount(study.site, minlength=len(study.sites))
    return np.flatnonzero(counts[study.site] >= FEWEST)


def thinned(study: Study, rows: Ints, most: int, seed: int) -> Ints:
    """Return about ``most`` of ``rows``: whole subjects, every site by its share, none below five.

    Parameters
    ----------
    study : Study
    rows : ndarray of int, shape (m,)
    most, seed : int
    """
    if len(rows) <= most:
        return rows
    rng = np.random.default_rng([seed, 4])
    kept = np.zeros(len(study.ids), dtype=np.bool_)
    for code in np.unique(study.site[rows]):
        here = rows[study.site[rows] == code]
        wanted = max(FEWEST, round(most * len(here) / len(rows)))
        subjects = rng.permutation(np.unique(study.subject[here]))
        place = np.full(int(study.subject.max()) + 1, -1)
        place[subjects] = np.arange(len(subjects))
        drawn = here[np.argsort(place[study.subject[here]], kind="stable")]
        kept[drawn[:wanted]] = True
    # The last subject drawn at a site comes whole.
    kept[rows] |= np.isin(study.subject[rows], study.subject[kept])
    return rows[kept[rows]]
