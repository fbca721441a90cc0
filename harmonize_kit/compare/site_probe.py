"""The two site probes of one fold, reduced to the sums that a permutation needs.

Permuting the residuals of all cases changes who is in training, not what all cases sum to. So the
scatter of the training cases is that of all less that of those held out, class means come from one
product, and the covariates' part of both from products of a few columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, indicators, orthonormal
from harmonize_kit.compare.discriminant import discriminants_from_sums
from harmonize_kit.compare.folds import Fold
from harmonize_kit.compare.residuals import axes_of_products, leading_axes
from harmonize_kit.compare.site_auc import log_posteriors
from harmonize_kit.compare.standardised import Standardised
from harmonize_kit.config.compare import CompareConfig

SINGLE_FROM = 800_000  # squares and products of the training cases of a fold


@dataclass(frozen=True)
class SiteProbe:
    """One fold.

    Parameters
    ----------
    fold : Fold
    scores : ndarray, shape (n, r)
        Component scores of the residuals after the covariates.
    square : ndarray, shape (r, r)
        Their products, summed over all cases.
    covariates : ndarray, shape (n, d)
    slopes : ndarray, shape (d, n_train)
        Maps training scores to their within-site slopes.
    scale : ndarray, shape (r,)
        Spread of the scores in training.
    member : ndarray, shape (n_train, k)
        Sites of the training cases, one column a site, in ascending order of code.
    """

    fold: Fold
    scores: Floats
    square: Floats
    covariates: Floats
    slopes: Floats
    scale: Floats
    member: Floats

    def log_posteriors(self, orders: Ints, config: CompareConfig) -> Floats:
        """Return those of held-out cases, shape (2, b, n_test, k), linear probe first.

        Parameters
        ----------
        orders : ndarray of int, shape (b, n)
            Permutations of the residuals; sites and covariates stay.
        config : CompareConfig
        """
        slope, centre, means, square = self._moments(orders)
        counts, near = self.member.sum(axis=0), config.shrinkage
        test = self.scores[orders[:, self.fold.test]]
        square -= test.swapaxes(1, 2) @ test  # of all cases, less those held out
        test -= self.covariates[self.fold.test] @ slope + centre
        linear = discriminants_from_sums(square, means, counts, test, near)
        size = quadratic_size(len(self.member), config.nonlinear_components)
        train = self._quadratic(orders, self.fold.train, slope, centre, size)
        means = (train @ (self.member / counts).astype(train.dtype)).astype(np.float64)
        means = means.swapaxes(1, 2)  # (b, k, c)
        middle = counts / len(self.member) @ means  # (b, c)
        means -= middle[:, None]
        square = np.stack([one @ one.T for one in train]).astype(np.float64)
        square -= len(self.member) * middle[:, :, None] * middle[:, None, :]
        test = self._quadratic(orders, self.fold.test, slope, centre, size).swapaxes(1, 2)
        test = test - middle[:, None]
        nonlinear = discriminants_from_sums(square, means, counts, test, near)
        return np.stack([log_posteriors(linear), log_posteriors(nonlinear)])

    def _moments(self, orders: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Return slopes (b, d, r), mean (b, 1, r) and class means (b, k, r) of adjusted scores.

        Class means are about the mean. The fourth is the adjusted scatter about it, (b, r, r),
        but for the products of the held-out cases, which are still in it.
        """
        k, d, n = self.member.shape[1], self.covariates.shape[1], len(self.member)
        known = self.covariates[self.fold.train]
        columns = np.hstack([self.member, known, self.slopes.T])
        sums = np.empty((len(orders), columns.shape[1], self.scores.shape[1]))
        for row, order in enumerate(orders):
            unpermuted = np.zeros((len(self.scores), columns.shape[1]))
            unpermuted[order[self.fold.train]] = columns  # the small matrix is moved
            sums[row] = unpermuted.T @ self.scores
        slope, cross = sums[:, k + d :], sums[:, k : k + d]
        totals = sums[:, :k] - (self.member.T @ known) @ slope  # (b, k, r)
        centre = totals.sum(axis=1, keepdims=True) / n
        means = totals / self.member.sum(axis=0)[:, None] - centre
        taken = slope.swapaxes(1, 2) @ (cross - 0.5 * (known.T @ known) @ slope)  # (b, r, r)
        square = self.square - taken - taken.swapaxes(1, 2)
        return slope, centre, means, square - n * centre.swapaxes(1, 2) @ centre

    def _quadratic(
        self, orders: Ints, rows: Ints, slope: Floats, centre: Floats, size: int
    ) -> Floats:
        """Return whitened leading scores of ``rows``, squares and products, (b, c, n_rows).

        In single precision where they are many: their sums then have a relative error of 1e-6,
        which moves a boundary by as much of a standard deviation.
        """
        leading = np.ascontiguousarray(self.scores[:, :size].T)
        kept = leading[:, orders[:, rows]].swapaxes(0, 1)  # (b, r, n_rows)
        taken = slope[:, :, :size].swapaxes(1, 2) @ self.covariates[rows].T
        kept = (kept - taken - centre[:, :, :size].swapaxes(1, 2)) / self.scale[:size, None]
        r = kept.shape[1]
        columns = r * (r + 3) // 2
        precision = np.float32 if len(rows) * columns > SINGLE_FROM else np.float64
        kept = cast(Floats, kept.astype(precision))
        found = cast(Floats, np.empty((len(orders), columns, len(rows)), dtype=precision))
        found[:, :r] = kept
        start = r
        for first in range(r):
            stop = start + r - first
            np.multiply(kept[:, [first]], kept[:, first:], out=found[:, start:stop])
            start = stop
        return found


def site_probe(table: Standardised, site: Ints, covariates: Floats, components: int) -> SiteProbe:
    """Take the covariates out and project on components, all learned in training.

    Neither the residuals after the covariates nor those about the slopes within sites are written
    out: what is taken out has few columns, and so has what it changes in products and scores.

    Parameters
    ----------
    table : Standardised
    site : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, d)
    components : int
        Most principal components; never more than a third of the training cases.
    """
    train, values = table.fold.train, table.values
    rest = orthonormal(np.hstack([np.ones((len(site), 1)), covariates]))
    known = rest.T @ values  # (q, p)
    member = indicators(site[train], int(site.max()) + 1)
    member = member[:, member.any(axis=0)]
    slopes: Floats = np.asarray(
        np.linalg.pinv(np.hstack([member, covariates[train]]), rcond=1e-9), dtype=np.float64
    )[member.shape[1] :]
    most = min(components, max(len(train) // 3, 1))
    axes = _axes(table, rest[train], known, covariates[train], slopes, most)
    scores = values @ axes - rest @ (known @ axes)
    adjusted = scores[train]
    adjusted = adjusted - covariates[train] @ (slopes @ adjusted)
    adjusted -= adjusted.mean(axis=0)
    spread = np.linalg.norm(adjusted, axis=0) / np.sqrt(max(len(train) - 1, 1))
    return SiteProbe(table.fold, scores, scores.T @ scores, covariates, slopes, spread, member)


def _axes(
    table: Standardised, rest: Floats, known: Floats, covariates: Floats, slopes: Floats, most: int
) -> Floats:
    """Return the leading axes of the training cases after covariates and slopes within sites."""
    train = table.train
    within = slopes @ train - (slopes @ rest) @ known  # (d, p)
    taken = np.hstack([rest, covariates, np.ones((len(train), 1))])  # (n_train, q + d + 1)
    known = np.vstack([known, within])
    known = np.vstack([known, (train - taken[:, :-1] @ known).mean(axis=0)])
    if table.wide:
        return leading_axes(train - taken @ known, most)
    half = known.T @ (taken.T @ train - 0.5 * (taken.T @ taken) @ known)  # (p, p)
    return axes_of_products(table.product - half - half.T, most)


def quadratic_size(n_train: int, most: int) -> int:
    """Return how many components may be squared: r (r + 3) / 2 columns for a third of the cases."""
    sizes = np.arange(1, most + 1)
    return max(int(np.sum(sizes * (sizes + 3) / 2 <= n_train / 3)), 1)
