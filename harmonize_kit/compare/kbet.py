"""Do the neighbours of a case come from the sites as all cases do? The kBET test.

Pearson's chi-squared of the sites among the neighbours against the shares of the sites in all
(Büttner et al. 2019, Nature Methods 16:43).
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from harmonize_kit.compare.arrays import Flags, Floats, Ints, indicators
from harmonize_kit.compare.neighbours import Neighbours


def chi_squared(neighbours: Neighbours, site: Ints) -> Floats:
    """Return the statistic of every case, shape (n,), with k - 1 degrees of freedom.

    Parameters
    ----------
    neighbours : Neighbours
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    """
    n, m = neighbours.index.shape
    k = int(site.max()) + 1
    rows = np.arange(n, dtype=np.intp)[:, None]
    cells: Ints = np.asarray(rows * k + site[neighbours.index], dtype=np.intp).ravel()
    found = np.bincount(cells, minlength=n * k).reshape(n, k)
    expected = m * indicators(site, k).mean(axis=0)
    return np.sum((found - expected) ** 2 / expected, axis=1)


def rejections(neighbours: Neighbours, site: Ints, level: float = 0.05) -> Flags:
    """Tell at which cases mixing is rejected, shape (n,); their mean is kBET's rejection rate.

    Parameters
    ----------
    neighbours, site
        As in :func:`chi_squared`.
    level : float
    """
    k = int(site.max()) + 1
    return np.asarray(chi_squared(neighbours, site) > stats.chi2.isf(level, k - 1))
