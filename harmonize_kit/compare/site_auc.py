"""Area under the ROC curve of a site classifier: one site against the rest, averaged over sites.

Balanced accuracy asks for the first guess only. Where there are many sites, a classifier may rank
the right one high and seldom first, which the area sees.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from harmonize_kit.compare.arrays import Floats, Ints


def log_posteriors(discriminants: Floats) -> Floats:
    """Return log posterior probabilities from discriminants, classes along the last axis.

    They can be pooled over folds, which discriminants as they are cannot; as logarithms they do
    not run into ties near one.
    """
    first = np.argmax(discriminants, axis=-1)[..., None]
    below = discriminants - np.take_along_axis(discriminants, first, axis=-1)
    others = np.exp(below)
    np.put_along_axis(others, first, 0.0, axis=-1)  # exactly one, and log1p knows it
    return below - np.log1p(others.sum(axis=-1, keepdims=True))


def site_auc(scores: Floats, site: Ints) -> Floats:
    """Return the area of each site against the rest, ties counting half, shape (b, k).

    Mann and Whitney's statistic over the number of pairs (scikit-learn's ``roc_auc_score`` of one
    class against the rest).

    Parameters
    ----------
    scores : ndarray, shape (b, n, k)
        For the sites in ascending order of code.
    site : ndarray of int, shape (n,)
        Codes; k of them occur.
    """
    codes = np.unique(site)
    ordered = np.ascontiguousarray(scores.swapaxes(1, 2))  # (b, k, n): sorted line by line
    ordered.sort(axis=2)
    areas = np.empty((len(scores), len(codes)))
    for column, code in enumerate(codes):
        rows = np.flatnonzero(site == code)
        own = scores[:, rows, column]
        others = len(site) - len(rows)
        for draw in range(len(scores)):
            line: Floats = ordered[draw, column]
            below: Ints = np.asarray(line.searchsorted(own[draw], "left"), dtype=np.intp)
            upto: Ints = np.asarray(line.searchsorted(own[draw], "right"), dtype=np.intp)
            ranks = float(np.sum(below + upto) + len(rows)) / 2  # sum of mid-ranks
            pairs = max(len(rows) * others, 1)
            areas[draw, column] = (ranks - len(rows) * (len(rows) + 1) / 2) / pairs
    return areas


def resampled_site_auc(scores: Floats, site: Ints, weights: Floats) -> Floats:
    """Return the mean area over sites in bootstrap samples, shape (b,).

    By DeLong's structural components (DeLong et al. 1988, Biometrics 44:837): the share of others
    that each case of a site outranks, and the share of the site that outranks each other. To first
    order the area of a sample is the mean of the one plus the mean of the other, less the area;
    where that leaves [0, 1], as it may with few cases, the bound is taken.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
    site : ndarray of int, shape (n,)
    weights : ndarray, shape (b, n)
    """
    codes = np.unique(site)
    total = np.zeros(len(weights))
    for column, code in enumerate(codes):
        here = site == code
        ranks = _ranks(scores[:, column])
        won = (ranks[here] - _ranks(scores[here, column])) / max(int(np.sum(~here)), 1)
        lost = (ranks[~here] - _ranks(scores[~here, column])) / int(np.sum(here))
        total += _mean(won, weights[:, here]) + _mean(1 - lost, weights[:, ~here]) - won.mean()
    return np.clip(total / len(codes), 0.0, 1.0)


def _ranks(values: Floats) -> Floats:
    return np.asarray(stats.rankdata(values), dtype=np.float64)


def _mean(values: Floats, weights: Floats) -> Floats:
    return weights @ values / np.maximum(weights.sum(axis=1), 1)
