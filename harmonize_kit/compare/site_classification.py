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

from harmonize_kit.compare.arrays import Floats, Ints, indicators
from harmonize_kit.compare.resampling import Estimate, null_of, percentile_interval
from harmonize_kit.compare.site_auc import resampled_site_auc, site_auc
from harmonize_kit.compare.site_probe import site_probe
from harmonize_kit.compare.standardised import Standardised
from harmonize_kit.config.compare import CompareConfig

_Judged = tuple[Floats, Floats]


@dataclass(frozen=True)
class SiteClassification:
    """Balanced accuracy and area under the ROC curve of both probes."""

    linear: Estimate
    nonlinear: Estimate
    linear_auc: Estimate
    nonlinear_auc: Estimate


def site_classification(
    tables: Sequence[Standardised],
    site: Ints,
    covariates: Floats,
    permutations: Ints,
    weights: Floats,
    config: CompareConfig,
) -> SiteClassification:
    """Return balanced accuracy and area under the ROC curve of both probes on held-out cases.

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
    tables : sequence of Standardised
        The features as each fold sees them.
    site : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, d)
    permutations : ndarray of int, shape (b, n)
    weights : ndarray, shape (b, n)
        Bootstrap counts.
    config : CompareConfig
    """
    probes = [site_probe(table, site, covariates, config.components) for table in tables]
    orders = np.vstack([np.arange(len(site), dtype=np.intp), permutations])
    k = len(np.unique(site))
    width = max(probe.scores.shape[1] for probe in probes) + config.nonlinear_components**2 + 2 * k
    step = max(1, 4_000_000 // (len(site) * width))  # draws at a time, some tens of megabytes
    found: list[_Judged] = []
    observed: Floats = np.empty(0)
    for start in range(0, len(orders), step):
        chunk = orders[start : start + step]
        scores = np.empty((2, len(chunk), len(site), k))
        for probe in probes:
            scores[:, :, probe.fold.test] = probe.log_posteriors(chunk, config)
        observed = observed if start else scores[:, 0].copy()
        found.append(_judge(scores, site))
    accuracy, area = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    return SiteClassification(
        *(_accuracy(accuracy[p], observed[p], site, weights) for p in range(2)),
        *(_area(area[p], observed[p], site, weights) for p in range(2)),
    )


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


def _judge(scores: Floats, site: Ints) -> _Judged:
    """Read balanced accuracy and area, each of shape (2, b), off log posteriors."""
    areas = np.stack([site_auc(part, site).mean(axis=1) for part in scores])
    hits = [_correct(part, site) for part in scores]
    return np.stack([balanced_accuracy(part, site) for part in hits]), areas


def _correct(scores: Floats, site: Ints) -> Floats:
    return (np.unique(site)[np.argmax(scores, axis=-1)] == site).astype(np.float64)


def _accuracy(values: Floats, observed: Floats, site: Ints, weights: Floats) -> Estimate:
    draws = balanced_accuracy(_correct(observed[None], site), site, weights)
    return _estimate(values, draws)


def _area(values: Floats, observed: Floats, site: Ints, weights: Floats) -> Estimate:
    return _estimate(values, resampled_site_auc(observed, site, weights))


def _estimate(values: Floats, draws: Floats) -> Estimate:
    """Put value, interval and null together; the first value is the observed one."""
    value = float(values[0])
    return Estimate(value, percentile_interval(draws), null_of(value, values[1:]))
