"""Ridge regressions that leave out one site each, all of them at once.

With the sums of all sites at hand, leaving one out takes its own sums away and standardises anew.
Solving one set of equations a site is what would cost: as each differs little from that of all
sites, one factor of the latter serves all as preconditioner of conjugate gradients, whose products
are of all sites together. They stop at a relative error of 1e-11; what does not get there, as
where cases hardly outnumber features, is solved directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import linalg

from harmonize_kit.compare.arrays import Floats, Ints

TOLERANCE = 1e-11
MOST_STEPS = 40


@dataclass(frozen=True)
class SiteRidges:
    """One model a site and target, learned from all other sites.

    Parameters
    ----------
    codes : ndarray of int, shape (k,)
        Sites, ascending.
    mean, scale : ndarray, shape (k, p)
        Of the features, without the site.
    level : ndarray, shape (k, m)
        Means of the targets, without the site.
    coefficients : ndarray, shape (k, m, p)
    """

    codes: Ints
    mean: Floats
    scale: Floats
    level: Floats
    coefficients: Floats

    def predict(self, values: Floats, code: int) -> Floats:
        """Return the predictions of cases of one site, shape (n, m)."""
        at = int(np.searchsorted(self.codes, code))
        return (values - self.mean[at]) / self.scale[at] @ self.coefficients[at].T + self.level[at]


def leave_site_out(
    x: Floats, targets: Floats, site: Ints, penalty: Floats, product: Floats
) -> SiteRidges:
    """Learn each target from all sites but one, for every site.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Features of mean zero and scale one; p at most n.
    targets : ndarray, shape (n, m)
    site : ndarray of int, shape (n,)
        In ascending order; two sites or more.
    penalty : ndarray, shape (m,)
        Of each target, over the number of cases.
    product : ndarray, shape (p, p)
        Of the features of all cases, X'X.
    """
    codes, starts = np.unique(site, return_index=True)
    rows = [slice(*ends) for ends in pairwise([*starts.tolist(), len(site)])]
    sums = [(x[own].sum(axis=0), np.einsum("np,np->p", x[own], x[own])) for own in rows]
    first, second = (np.stack(part) for part in zip(*sums, strict=True))
    goals = np.stack([targets[own].sum(axis=0) for own in rows])
    products = np.stack([targets[own].T @ x[own] for own in rows])  # (k, m, p)
    n = len(x) - np.array([own.stop - own.start for own in rows], dtype=np.float64)[:, None]
    mean, level = (first.sum(axis=0) - first) / n, (goals.sum(axis=0) - goals) / n
    variance = (second.sum(axis=0) - second) / n - mean**2
    # Features are of scale one, so what is left of a constant one is rounding.
    scale = np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 1e-12)), np.inf)
    cross = products.sum(axis=0) - products - n[..., None] * level[:, :, None] * mean[:, None]
    left = _LeftOut(x, rows, product, n[:, 0], mean, scale, n * penalty)
    return SiteRidges(codes, mean, scale, level, left.solve(cross / scale[:, None]))


@dataclass(frozen=True)
class _LeftOut:
    """The equations of every site and target: products of the other sites, and the penalty."""

    x: Floats
    rows: list[slice]
    whole: Floats
    count: Floats
    mean: Floats
    scale: Floats
    penalty: Floats  # (k, m)

    def times(self, found: Floats) -> Floats:
        """Return the left sides for coefficients of shape (k, m, p)."""
        scaled = found / self.scale[:, None]
        product = (scaled.reshape(-1, scaled.shape[-1]) @ self.whole).reshape(scaled.shape)
        for site, own in enumerate(self.rows):
            here = self.x[own]
            product[site] -= (scaled[site] @ here.T) @ here
        along = np.sum(scaled * self.mean[:, None], axis=-1, keepdims=True)
        product -= self.count[:, None, None] * along * self.mean[:, None]
        return product / self.scale[:, None] + self.penalty[..., None] * found

    def solve(self, right: Floats) -> Floats:
        """Return the coefficients, shape (k, m, p), by preconditioned conjugate gradients."""
        found, rest = np.zeros_like(right), right.copy()
        sizes: list[float] = self.penalty.max(axis=0).tolist()
        known = {size: _factor(self.whole, size) for size in set(sizes)}
        factors = [known[size] for size in sizes]
        near = _precondition(factors, rest)
        along, size = near.copy(), _dot(rest, near)
        aim = TOLERANCE**2 * size
        for _ in range(MOST_STEPS):
            if np.all(size <= aim):
                return found
            product = self.times(along)
            curve = _dot(along, product)
            step = np.divide(size, curve, out=np.zeros_like(size), where=(curve > 0) & (size > aim))
            found += step[..., None] * along
            rest -= step[..., None] * product
            near = _precondition(factors, rest)
            before, size = size, _dot(rest, near)
            again = np.divide(size, before, out=np.zeros_like(size), where=before > 0)
            along = near + again[..., None] * along
        for site, target in np.argwhere(size > aim).tolist():
            found[site, target] = self._directly(site, target, right[site, target])
        return found

    def _directly(self, site: int, target: int, right: Floats) -> Floats:
        own = self.x[self.rows[site]]
        middle = np.outer(self.mean[site], self.mean[site])
        product = self.whole - own.T @ own - self.count[site] * middle
        product /= np.outer(self.scale[site], self.scale[site])
        return _solved(_factor(product, float(self.penalty[site, target])), right)


def _factor(product: Floats, penalty: float) -> Any:
    steadied = product.copy()
    steadied[np.diag_indices_from(steadied)] += penalty
    return linalg.cho_factor(steadied, overwrite_a=True, check_finite=False)


def _precondition(factors: list[Any], right: Floats) -> Floats:
    found = np.empty_like(right)
    for target, factor in enumerate(factors):
        found[:, target] = _solved(factor, right[:, target].T).T
    return found


def _solved(factor: Any, right: Floats) -> Floats:
    return np.asarray(linalg.cho_solve(factor, right, check_finite=False), dtype=np.float64)


def _dot(first: Floats, second: Floats) -> Floats:
    return np.einsum("kmp,kmp->km", first, second)
