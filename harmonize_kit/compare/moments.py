"""Counts, means and variances of every site, in permutations and bootstrap samples, from sums.

Analysis of covariance, variance ratios and mean differences all rest on the same sums over the
cases of a site: of products of an intercept, the covariates and the features. A permutation only
changes which rows are summed, and a bootstrap sample how often each counts, so neither a permuted
nor a resampled table is ever written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints, draw_precision, positions

BLOCK = 64  # features
AT_ONCE = 4  # permutations


@dataclass(frozen=True)
class Moments:
    """Sums over the cases of each of k sites in b draws.

    Parameters
    ----------
    count : ndarray, shape (b, k)
    covariate, covariate_square : ndarray, shapes (b, k, d) and (b, k, d, d)
    value, value_square : ndarray, shape (b, k, p)
    product : ndarray, shape (b, k, d, p)
        Of covariate and value.
    """

    count: Floats
    covariate: Floats
    covariate_square: Floats
    value: Floats
    value_square: Floats
    product: Floats

    def of(self, sites: Ints) -> Moments:
        """Return the moments of some sites alone."""
        return Moments(
            self.count[:, sites], self.covariate[:, sites], self.covariate_square[:, sites],
            self.value[:, sites], self.value_square[:, sites], self.product[:, sites],
        )  # fmt: skip

    @cached_property
    def slopes(self) -> Floats:
        """Slopes of the covariates within sites, shape (b, d, p)."""
        return inverse(self._covariate_within) @ self._product_within

    @cached_property
    def mean(self) -> Floats:
        """Means of the sites at the same covariates, shape (b, k, p)."""
        return (self.value - self.covariate @ self.slopes) / self._divisor

    @cached_property
    def variance(self) -> Floats:
        """Variances within sites once slopes are taken out, shape (b, k, p), with n - 1."""
        slopes = self.slopes[:, None]
        curved = np.sum(slopes * (self.covariate_square @ slopes - 2 * self.product), axis=2)
        centred = self.value_square + curved - self._divisor * self.mean**2
        return np.maximum(centred, 0) / np.maximum(self.count - 1, 1)[:, :, None]

    @cached_property
    def error(self) -> Floats:
        """Sum of squares site and covariates leave, shape (b, p)."""
        return self._total_within - _explained(self._covariate_within, self._product_within)

    @cached_property
    def correlation(self) -> Floats:
        """Correlation of covariates and features within sites, shape (b, d, p); 0 if constant."""
        own = np.diagonal(self._covariate_within, axis1=1, axis2=2)
        size = np.sqrt(np.maximum(own[:, :, None] * self._total_within[:, None], 0))
        return np.divide(
            self._product_within, size, out=np.zeros_like(self._product_within), where=size > 1e-9
        )

    @cached_property
    def total(self) -> Floats:
        """Sum of squares about the mean, shape (b, p)."""
        n = np.maximum(self.count.sum(axis=1), 1)[:, None]
        return np.sum(self.value_square, axis=1) - np.sum(self.value, axis=1) ** 2 / n

    @cached_property
    def without_site(self) -> Floats:
        """Sum of squares the covariates alone leave, shape (b, p)."""
        n = np.maximum(self.count.sum(axis=1), 1)
        covariate, value = self.covariate.sum(axis=1), self.value.sum(axis=1)
        square = self.covariate_square.sum(axis=1)
        square = square - covariate[:, :, None] * covariate[:, None, :] / n[:, None, None]
        product = self.product.sum(axis=1)
        product = product - covariate[:, :, None] * value[:, None, :] / n[:, None, None]
        return self.total - _explained(square, product)

    def without(self, columns: slice) -> Floats:
        """Sum of squares left by site and all covariates but ``columns``, shape (b, p)."""
        every = range(self.covariate.shape[2])
        kept = [column for column in every if column not in every[columns]]
        square = self._covariate_within[:, kept][:, :, kept]
        return self._total_within - _explained(square, self._product_within[:, kept])

    @property
    def _divisor(self) -> Floats:
        return np.maximum(self.count, 1)[:, :, None]

    @cached_property
    def _total_within(self) -> Floats:
        return np.sum(self.value_square - self.value**2 / self._divisor, axis=1)

    @cached_property
    def _covariate_within(self) -> Floats:
        mean = self.covariate / self._divisor
        between = self.covariate[:, :, :, None] * mean[:, :, None, :]
        return np.sum(self.covariate_square - between, axis=1)

    @cached_property
    def _product_within(self) -> Floats:
        mean = self.covariate / self._divisor
        return np.sum(self.product, axis=1) - mean.swapaxes(1, 2) @ self.value


def permuted_moments(
    values: Floats, site: Ints, covariates: Floats, permutations: Ints
) -> Iterator[Moments]:
    """Yield the moments of permuted rows of ``values``, one draw at a time.

    Tables of more than two million cells are summed in single precision: a relative error of 1e-6
    is far below what a permutation moves.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Residuals after the covariates for Freedman and Lane's scheme.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    covariates : ndarray, shape (n, d)
    permutations : ndarray of int, shape (b, n)
    """
    (n, p), k, d = values.shape, int(site.max()) + 1, covariates.shape[1]
    kind = draw_precision(values)
    order = np.argsort(site, kind="stable")
    bounds = np.searchsorted(site[order], np.arange(k + 1))
    columns = np.hstack([np.ones((n, 1)), covariates])[order].T.astype(kind)  # (1 + d, n)
    ones = np.ones(n, dtype=kind)
    # A few features at a time stay in the processor's cache while rows are picked from them.
    blocks = [
        np.ascontiguousarray(values[:, start : start + BLOCK], dtype=kind)
        for start in range(0, p, BLOCK)
    ]
    squares = [block * block for block in blocks]
    count, covariate, covariate_square = _covariate_sums(site, covariates, k)
    for start in range(0, len(permutations), AT_ONCE):
        drawn = permutations[start : start + AT_ONCE]
        rows = [permutation[order] for permutation in drawn]
        pick = _row_sums([(weight, row) for row in rows for weight in columns], bounds, n)
        count_up = _row_sums([(ones, row) for row in rows], bounds, n)
        sums = np.hstack([pick @ block for block in blocks]).astype(np.float64)
        sums = sums.reshape(len(drawn), 1 + d, k, p)
        square = np.hstack([count_up @ block for block in squares]).astype(np.float64)
        square = square.reshape(len(drawn), k, p)
        for draw in range(len(drawn)):
            yield Moments(
                count, covariate, covariate_square, sums[draw, None, 0], square[draw, None],
                sums[draw, None, 1:].swapaxes(1, 2),
            )  # fmt: skip


def _row_sums(parts: Sequence[tuple[Any, Ints]], bounds: Ints, n: int) -> Any:
    """Return a sparse matrix that sums weighted rows by site, one set of sites a part."""
    from scipy import sparse

    weights = np.concatenate([weight for weight, _ in parts])
    rows = np.concatenate([row for _, row in parts])
    ends = np.concatenate([bounds[:-1] + n * place for place in range(len(parts))])
    ends = np.append(ends, n * len(parts))
    return sparse.csr_array((weights, rows, ends), shape=(len(ends) - 1, n))


def resampled_moments(
    values: Floats, site: Ints, covariates: Floats, weights: Floats
) -> Iterator[Moments]:
    """Yield the moments of bootstrap samples, some draws at a time.

    Large tables are summed in single precision, as in :func:`permuted_moments`: intervals are of
    draws, and bootstrap samples differ by far more than rounding.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Centred near zero, so that sums of squares lose no digits.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1, each of which occurs.
    covariates : ndarray, shape (n, d)
    weights : ndarray, shape (b, n)
        Counts of each case.
    """
    k, d, p = int(site.max()) + 1, covariates.shape[1], values.shape[1]
    size = k * p * (2 + d)
    # Draws at a time: many, as each pass reads all features, yet no more than memory bears.
    step = max(1, 1_500_000 // size, min(48, 8_000_000 // size))
    kind = draw_precision(values)
    rows = [np.flatnonzero(site == code) for code in range(k)]
    blocks = [_products(values[row], covariates[row], kind) for row in rows]
    for start in range(0, len(weights), step):
        drawn = weights[start : start + step]
        b = len(drawn)
        few, many = np.empty((b, k, 1 + d + d * d)), np.empty((b, k, (2 + d) * p))
        for place, (row, (a, c)) in enumerate(zip(rows, blocks, strict=True)):
            own = drawn.take(row, axis=1)
            few[:, place], many[:, place] = own @ a, own.astype(kind, copy=False) @ c
        yield Moments(
            few[..., 0], few[..., 1 : 1 + d], few[..., 1 + d :].reshape(b, k, d, d),
            many[..., :p], many[..., p : 2 * p], many[..., 2 * p :].reshape(b, k, d, p),
        )  # fmt: skip


def _products(values: Floats, covariates: Floats, kind: Any) -> tuple[Floats, Floats]:
    """Return what is summed of each case: of the covariates, and of the features with them."""
    n, p, d = len(values), values.shape[1], covariates.shape[1]
    pairs = (covariates[:, :, None] * covariates[:, None, :]).reshape(n, -1)
    found: Floats = np.empty((n, (2 + d) * p), dtype=kind)
    found[:, :p] = values
    np.square(values, out=found[:, p : 2 * p])
    for column in range(d):
        here = slice((2 + column) * p, (3 + column) * p)
        np.multiply(values, covariates[:, [column]], out=found[:, here])
    return np.hstack([np.ones((n, 1)), covariates, pairs]), found


def observed_moments(values: Floats, site: Ints, covariates: Floats) -> Moments:
    """Return the moments of the cases as they are, with b = 1."""
    k = int(site.max()) + 1
    sums: list[tuple[Floats, ...]] = []
    for code in range(k):
        rows = positions(site == code)
        here, known = values[rows], covariates[rows]
        sums.append(
            (
                known.sum(axis=0), known.T @ known, here.sum(axis=0),
                np.einsum("np,np->p", here, here), known.T @ here,
            )
        )  # fmt: skip
    count = np.bincount(site, minlength=k).astype(np.float64)[None]
    return Moments(count, *(np.stack(part)[None] for part in zip(*sums, strict=True)))


def inverse(matrices: Floats) -> Floats:
    """Return pseudo-inverses of symmetric matrices, shape (b, d, d); a draw may lack a level."""
    return np.asarray(np.linalg.pinv(matrices, rcond=1e-9, hermitian=True), dtype=np.float64)


def _covariate_sums(site: Ints, covariates: Floats, k: int) -> tuple[Floats, Floats, Floats]:
    found = observed_moments(np.zeros((len(site), 1)), site, covariates)
    return found.count, found.covariate, found.covariate_square


def _explained(square: Floats, product: Floats) -> Floats:
    """Return the sum of squares the covariates explain, shape (b, p)."""
    return np.sum(product * (inverse(square) @ product), axis=1)
