"""Site effects of all features, block by block, before any shrinkage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat.covariate_effects import EffectEstimator
from harmonize_kit.combat.location_scale import (
    LEAST_SQUARES,
    Standardisation,
    Sums,
    constant_features,
    site_counts,
    site_location_scale,
    standardise,
)
from harmonize_kit.combat.missing import MissingSums, sum_present
from harmonize_kit.combat.sums import sum_rows

Array = NDArray[np.float64]

# Values a block holds: few enough for the cache, enough that rows of it are long.
BLOCK = 1 << 21
RANK_TOLERANCE = 1e-10


@dataclass(frozen=True)
class SiteEffects:
    """Estimates of p features at k sites.

    Parameters
    ----------
    standard : Standardisation
        Standard deviations are 1 where ``constant`` or ``sparse``.
    location, scale, squares : ndarray, shape (k, p)
        Mean, variance and sum of squares of the standardised residuals.
    counts : ndarray, shape (k, 1) or (k, p)
        Cases behind each estimate; by feature where cells are missing.
    constant : ndarray of bool, shape (p,)
        Features without variance in some site.
    sparse : ndarray of bool, shape (p,)
        Features with too few cells in some site, or too few to estimate the covariates by.
    """

    standard: Standardisation
    location: Array
    scale: Array
    squares: Array
    counts: Array
    constant: NDArray[np.bool_]
    sparse: NDArray[np.bool_]


def estimate_effects(
    values: Array,
    rows: Sequence[NDArray[np.int_]],
    covariates: Array,
    *,
    reference: int | None,
    mean_only: NDArray[np.bool_],
    estimator: EffectEstimator = LEAST_SQUARES,
) -> SiteEffects:
    """Estimate location and scale of each site and feature.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        NaN where a cell is missing.
    rows : sequence of ndarray of int
        Rows of each site.
    covariates : ndarray, shape (n, q)
        Design columns.
    reference : int, optional
    mean_only : ndarray of bool, shape (k,)
        Sites whose variance is left alone.
    estimator : EffectEstimator
        Of the covariate effects.
    """
    return effects_from_sums(
        _sums_in_blocks(values, rows, covariates),
        np.array([len(own) for own in rows]),
        values.shape[1],
        reference=reference,
        mean_only=mean_only,
        estimator=estimator,
    )


def effects_from_sums(
    blocks: Iterable[tuple[NDArray[np.int_], Sums]],
    sizes: NDArray[np.int_],
    n_features: int,
    *,
    reference: int | None,
    mean_only: NDArray[np.bool_],
    estimator: EffectEstimator = LEAST_SQUARES,
) -> SiteEffects:
    """Estimate location and scale of each site and feature from sums, wherever these were made.

    Parameters
    ----------
    blocks : iterable of (ndarray of int, Sums)
        Positions of some features, and their sums at each site; every feature comes once.
        :class:`MissingSums` are for features with a missing cell, :class:`SiteSums` for others.
    sizes : ndarray of int, shape (k,)
        Cases of each site.
    n_features : int
        p.
    reference, mean_only, estimator
        See :func:`estimate_effects`.
    """
    result: _Columns | None = None
    for columns, sums in blocks:
        if result is None:
            result = _Columns.empty(len(sizes), len(sums[0].cross), n_features)
        result.put(columns, sums, sizes, reference, mean_only, estimator)
    if result is None:
        result = _Columns.empty(len(sizes), 0, n_features)
    total = int(sizes.sum()) if reference is None else int(sizes[reference])
    return result.effects(sizes, total, mean_only)


def _sums_in_blocks(
    values: Array, rows: Sequence[NDArray[np.int_]], covariates: Array
) -> Iterator[tuple[NDArray[np.int_], Sums]]:
    n, p = values.shape
    by_site = [covariates[own] for own in rows]
    step = max(1, BLOCK // n)
    for start in range(0, p, step):
        columns = np.arange(start, min(start + step, p))
        part = values[:, start : start + step]
        sums: Sums = [sum_rows(x, part[own]) for x, own in zip(by_site, rows, strict=True)]
        gaps: NDArray[np.bool_] = np.isnan(np.sum([one.feature_mean for one in sums], axis=0))
        if not gaps.any():
            yield columns, sums
            continue
        for chosen in (~gaps, gaps):
            if not chosen.any():
                continue
            some = [part[np.ix_(own, chosen)] for own in rows]
            pairs = zip(by_site, some, strict=True)
            if chosen is gaps:
                yield columns[chosen], [sum_present(x, cells) for x, cells in pairs]
            else:
                yield columns[chosen], [sum_rows(x, cells) for x, cells in pairs]


@dataclass(frozen=True)
class _Columns:
    """The estimates being filled, feature by feature."""

    numbers: dict[str, Array]
    flags: dict[str, NDArray[np.bool_]]

    @classmethod
    def empty(cls, k: int, q: int, p: int) -> _Columns:
        shapes = {"grand": (p,), "coefficients": (q, p), "sd": (p,)}
        shapes |= dict.fromkeys(("location", "scale", "squares", "counts"), (k, p))
        numbers = {name: np.zeros(shape) for name, shape in shapes.items()}
        flags = {name: np.zeros(p, dtype=np.bool_) for name in ("constant", "sparse", "gaps")}
        return cls(numbers, flags)

    def put(
        self,
        columns: NDArray[np.int_],
        sums: Sums,
        sizes: NDArray[np.int_],
        reference: int | None,
        mean_only: NDArray[np.bool_],
        estimator: EffectEstimator,
    ) -> None:
        """Estimate the features ``columns`` from their sums."""
        sparse = np.zeros(len(columns), dtype=np.bool_)
        ddof = 0
        if isinstance(sums[0], MissingSums):
            sums, sparse = set_sparse_aside(cast(Sequence[MissingSums], sums), sizes, estimator)
            self.flags["gaps"][columns], ddof = True, 1
        standard = standardise(sums, sizes, reference, ddof=ddof, estimator=estimator.of(columns))
        constant = (constant_features(sums) | (standard.pooled_sd == 0)) & ~sparse
        sd = np.where(constant | sparse, 1.0, standard.pooled_sd)
        found = site_location_scale(sums, replace(standard, pooled_sd=sd), mean_only=mean_only)
        for flag, value in (("constant", constant), ("sparse", sparse)):
            self.flags[flag][columns] = value
        for name, value in {
            "grand": standard.grand_mean, "coefficients": standard.coefficients, "sd": sd,
            "location": found[0], "scale": found[1], "squares": found[2],
            "counts": site_counts(sums),
        }.items():  # fmt: skip
            self.numbers[name][..., columns] = value

    def effects(
        self, sizes: NDArray[np.int_], total: int, mean_only: NDArray[np.bool_]
    ) -> SiteEffects:
        """Return the estimates; ``total`` cases are behind each pooled variance."""
        of, flags = self.numbers, self.flags
        counts = of["counts"]
        if not flags["gaps"].any():
            counts = sizes[:, None].astype(np.float64)
        else:
            # Where any cell is missing, sva takes one off the divisor of every feature's variance.
            inflation = np.where(flags["gaps"] | flags["constant"], 1.0, total / max(total - 1, 1))
            of["sd"] *= np.sqrt(inflation)
            of["location"] /= np.sqrt(inflation)
            of["scale"] /= np.where(mean_only[:, None], 1.0, inflation)
            of["squares"] /= inflation
        # A feature that is passed through has neither shift nor scale.
        passed = flags["constant"] | flags["sparse"]
        of["location"][:, passed], of["scale"][:, passed] = 0.0, 1.0
        return SiteEffects(
            Standardisation(of["grand"], of["coefficients"], of["sd"]),
            of["location"], of["scale"], of["squares"], counts,
            flags["constant"], flags["sparse"],
        )  # fmt: skip


def set_sparse_aside(
    sums: Sequence[MissingSums], sizes: NDArray[np.int_], estimator: EffectEstimator
) -> tuple[list[MissingSums], NDArray[np.bool_]]:
    """Tell which features have too few cells, shape (p,), and make theirs solvable.

    A site needs two cells of a feature, for one would be that subject; a site of one case is
    shrunken, and needs that one. The covariates
    must vary independently over the cases that have the feature.
    """
    least = np.minimum(sizes, 2)[:, None]
    counts = np.array([one.count for one in sums])
    gram: Array = np.sum([one.gram for one in sums], axis=0)
    q = gram.shape[1]
    sparse = (counts < least).any(axis=0) | (
        counts.sum(axis=0) <= len(sums) + estimator.unpenalised(q)
    )
    if q:
        smallest = np.linalg.eigvalsh(estimator.steadied(gram))[:, 0]
        sparse |= smallest <= RANK_TOLERANCE * np.maximum(counts.sum(axis=0), 1.0)
    mended = list(sums)
    mended[0] = replace(sums[0], gram=sums[0].gram + sparse[:, None, None] * np.eye(q))
    return mended, sparse
