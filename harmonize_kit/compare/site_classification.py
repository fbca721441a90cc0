"""Can a classifier tell the site of a case it has not seen? Two probes, retrained on each table.

A probe trained once on raw data and then shown harmonized data says how far the data moved, not
whether the site is gone: it calls a destroyed table perfectly harmonized. Both probes here learn
anew from each candidate, in each fold.

The linear probe sees shifts between sites. Location and scale correction leaves differences in
covariance, which no hyperplane finds but other classifiers do (Chen et al. 2022, Human Brain
Mapping 43:1179). The nonlinear probe sees them too: with squares and products of the leading
component scores as columns, a linear boundary is a quadric in the scores, as in quadratic
discriminant analysis, and a difference in covariance is a difference in the mean of a product.
Its columns are made without labels, so both probes share one vectorised discriminant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harmonize_kit.compare.arrays import Flags, Floats, Ints, column_scale, indicators, orthonormal
from harmonize_kit.compare.discriminant import predict_classes
from harmonize_kit.compare.folds import Fold
from harmonize_kit.compare.resampling import Estimate, null_of, percentile_interval
from harmonize_kit.config.compare import CompareConfig


@dataclass(frozen=True)
class SiteClassification:
    """Balanced accuracy of both probes."""

    linear: Estimate
    nonlinear: Estimate


@dataclass(frozen=True)
class _Probe:
    """One fold, reduced to what a permutation needs.

    ``scores`` (n, r) are component scores of the residuals after the covariates, ``slopes``
    (d, n_train) maps them to within-site slopes, and ``scale`` (r,) is their spread.
    """

    fold: Fold
    scores: Floats
    covariates: Floats
    slopes: Floats
    scale: Floats

    def parts(self, order: Ints) -> tuple[Floats, Floats]:
        """Return adjusted scores of training and held-out cases, (b, ., r), centred in training."""
        train = self.scores[order[:, self.fold.train]]
        test = self.scores[order[:, self.fold.test]]
        if self.covariates.shape[1]:
            slope = self.slopes @ train  # (b, d, r)
            train = train - self.covariates[self.fold.train] @ slope
            test = test - self.covariates[self.fold.test] @ slope
        centre = train.mean(axis=1, keepdims=True)
        return train - centre, test - centre


def site_classification(
    values_by_fold: Sequence[Floats],
    site: Ints,
    covariates: Floats,
    folds: Sequence[Fold],
    permutations: Ints,
    weights: Floats,
    config: CompareConfig,
) -> SiteClassification:
    """Return the balanced accuracy of both probes on held-out cases.

    In each fold, on its training cases: features are standardised, the slopes of the covariates
    are learned within sites (a model of site and covariates of which the covariate part alone is
    subtracted, so that no site difference is taken for biology), and principal components are
    found. The null permutes the residuals after the covariates (Freedman and Lane 1983) and runs
    slopes, probes and held-out predictions anew. Where biology differs between sites, the error
    of a slope is itself a site difference: the null then lies above 1 / sites, as it must, and a
    permutation of labels alone would miss it.

    Components are not searched anew under permutations: they are found without labels. A
    refitted harmonizer is not refitted under permutations either, so its null says what a probe
    finds in features that do not depend on site.

    The interval is a bootstrap of subjects with the held-out predictions fixed: it holds the
    uncertainty from the cases judged, not that of the training.

    Parameters
    ----------
    values_by_fold : sequence of ndarray, shape (n, p)
        The features as each fold sees them.
    site : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, d)
    folds : sequence of Fold
    permutations : ndarray of int, shape (b, n)
    weights : ndarray, shape (b, n)
        Bootstrap counts.
    config : CompareConfig
    """
    probes = [
        _reduced(values, site, covariates, fold, config.components)
        for values, fold in zip(values_by_fold, folds, strict=True)
    ]
    orders = np.vstack([np.arange(len(site), dtype=np.intp), permutations])
    linear, nonlinear = (np.empty(orders.shape, dtype=np.bool_) for _ in range(2))
    for probe in probes:
        width = probe.scores.shape[1] + config.nonlinear_components**2
        step = max(1, 2_000_000 // (len(site) * width))  # draws at a time, some tens of megabytes
        for start in range(0, len(orders), step):
            chunk = slice(start, start + step)
            hits = _hits(probe, site, orders[chunk], config)
            linear[chunk, probe.fold.test], nonlinear[chunk, probe.fold.test] = hits
    return SiteClassification(_estimate(linear, site, weights), _estimate(nonlinear, site, weights))


def balanced_accuracy(correct: Floats, site: Ints, weights: Floats | None = None) -> Floats:
    """Return the mean over sites of the share of correct cases.

    Parameters
    ----------
    correct : ndarray, shape (b, n)
        A single row serves all rows of weights.
    site : ndarray of int, shape (n,)
    weights : ndarray, shape (b, n), optional
        Counts of each case in each bootstrap sample.
    """
    member = indicators(site, int(site.max()) + 1)
    member = member[:, member.any(axis=0)]  # (n, k)
    if weights is None:
        return (correct @ (member / member.sum(axis=0))).mean(axis=1)
    counted = weights @ member
    hits = (weights * correct) @ member
    recall = np.divide(hits, counted, out=np.full_like(hits, np.nan), where=counted > 0)
    return np.nanmean(recall, axis=1)


def _hits(probe: _Probe, site: Ints, orders: Ints, config: CompareConfig) -> tuple[Flags, Flags]:
    """Tell which held-out cases each probe places rightly under each permutation, (b, n_test)."""
    train, test = probe.parts(orders)
    codes, truth = site[probe.fold.train], site[probe.fold.test]
    linear = predict_classes(train, codes, test, config.shrinkage) == truth
    size = _quadratic_size(len(codes), config.nonlinear_components)
    train, test = (_quadratic(scores, probe.scale, size) for scores in (train, test))
    return linear, predict_classes(train, codes, test, config.shrinkage) == truth


def _estimate(correct: Flags, site: Ints, weights: Floats) -> Estimate:
    """Read value, interval and null off the hits; the first row is the observed one."""
    accuracy = balanced_accuracy(correct.astype(np.float64), site)
    value = float(accuracy[0])
    draws = balanced_accuracy(correct[:1].astype(np.float64), site, weights)
    return Estimate(value, percentile_interval(draws), null_of(value, accuracy[1:]))


def _reduced(values: Floats, site: Ints, covariates: Floats, fold: Fold, components: int) -> _Probe:
    """Standardise, take the covariates out and project on components, all learned in training."""
    train = fold.train
    mean, scale = column_scale(values[train])
    standard = (values - mean) / scale
    rest = orthonormal(np.hstack([np.ones((len(site), 1)), covariates]))
    residual = standard - rest @ (rest.T @ standard)
    sites = indicators(site[train], int(site.max()) + 1)
    sites = sites[:, sites.any(axis=0)]
    slopes: Floats = np.asarray(
        np.linalg.pinv(np.hstack([sites, covariates[train]]), rcond=1e-9), dtype=np.float64
    )[sites.shape[1] :]
    adjusted = residual[train] - covariates[train] @ (slopes @ residual[train])
    _, singular, axes = np.linalg.svd(adjusted - adjusted.mean(axis=0), full_matrices=False)
    rank = int(np.sum(singular > 1e-9 * max(float(singular[0]), 1e-300)))
    kept = min(components, max(len(train) // 3, 1), rank)
    spread = singular[:kept] / np.sqrt(max(len(train) - 1, 1))
    return _Probe(fold, residual @ axes[:kept].T, covariates, slopes, spread)


def _quadratic_size(n_train: int, most: int) -> int:
    """Return how many components may be squared: r (r + 3) / 2 columns for a third of the cases."""
    sizes = np.arange(1, most + 1)
    return max(int(np.sum(sizes * (sizes + 3) / 2 <= n_train / 3)), 1)


def _quadratic(scores: Floats, scale: Floats, most: int) -> Floats:
    """Return whitened leading scores with their squares and products, (b, n, r (r + 3) / 2)."""
    kept = scores[..., :most] / scale[:most]
    first, second = np.triu_indices(kept.shape[-1])
    return np.concatenate([kept, kept[..., first] * kept[..., second]], axis=-1)
