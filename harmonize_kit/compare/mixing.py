"""How well cases of different sites mix: everything that is read off distances, in one pass.

Energy distance, silhouette, LISI and kBET share the distances of a permutation. All are of the
features after the covariates: people who differ between sites lie apart with no scanner to blame.
Cost grows with the square of the cases, so the caller gives a sample of them.
"""

from __future__ import annotations

import numpy as np

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.distances import pairwise_distances, permuted_distances
from harmonize_kit.compare.energy import energy_share, resampled_energy_share
from harmonize_kit.compare.kbet import rejections
from harmonize_kit.compare.lisi import lisi, near_kernel, scaled, simpson
from harmonize_kit.compare.neighbours import Neighbours, nearest, nearest_unordered
from harmonize_kit.compare.resampling import (
    Estimate,
    centred_interval,
    null_of,
    percentile_interval,
)
from harmonize_kit.compare.residuals import Residuals
from harmonize_kit.compare.silhouette import silhouette_widths

NEAREST = 1e-6  # a distance in standard deviations; cases nearer than that are one
METRICS = ("site_energy_share", "site_silhouette", "site_ilisi", "site_kbet_rejection")


def mixing(
    residual: Residuals, site: Ints, permutations: Ints, weights: Floats
) -> dict[str, Estimate]:
    """Return the four measures by metric name, with intervals and nulls.

    Intervals of measures that average over cases resample the cases with the neighbours fixed: a
    bootstrap sample holds cases twice, which would be each other's nearest neighbours.

    Parameters
    ----------
    residual : Residuals
        Of cases in ascending order of site.
    site : ndarray of int, shape (n,)
        Codes 0 to k - 1 in ascending order, each of which occurs.
    permutations : ndarray of int, shape (b, n)
    weights : ndarray, shape (b, n)
    """
    k = int(site.max()) + 1
    observed = pairwise_distances(residual.adjusted())
    near = nearest(observed)
    width, rejected = _by_case(observed, near, site)
    index = lisi(near, site)
    value = {
        "site_energy_share": energy_share(observed, site),
        "site_silhouette": float(width.mean()),
        "site_ilisi": float(scaled(np.median(index), k)),
        "site_kbet_rejection": float(rejected.mean()),
    }
    drawn: dict[str, list[float]] = {name: [] for name in METRICS}
    perplexity = near.distance.shape[1] / 3
    _, rates = near_kernel(near.distance, perplexity, 1 / np.maximum(near.distance[:, -1], NEAREST))
    draws = zip(permutations, permuted_distances(residual, permutations), strict=True)
    for permutation, distances in draws:
        around = nearest_unordered(distances)
        widths, rejects = _by_case(distances, around, site)
        # A case keeps nearly the rate that it has unpermuted.
        kernel, _ = near_kernel(around.distance, perplexity, rates[permutation])
        indices = simpson(kernel, around, site)
        drawn["site_energy_share"].append(energy_share(distances, site))
        drawn["site_silhouette"].append(float(widths.mean()))
        drawn["site_ilisi"].append(float(scaled(np.median(indices), k)))
        drawn["site_kbet_rejection"].append(float(rejects.mean()))
    share = value["site_energy_share"]
    interval = {
        "site_energy_share": centred_interval(
            share, resampled_energy_share(observed, site, weights)
        ),
        "site_silhouette": percentile_interval(_weighted_mean(width, weights)),
        "site_ilisi": percentile_interval(scaled(weighted_median(index, weights), k)),
        "site_kbet_rejection": percentile_interval(_weighted_mean(rejected, weights)),
    }
    return {
        name: Estimate(
            value[name],
            interval[name],
            null_of(value[name], np.asarray(drawn[name], dtype=np.float64)),
        )
        for name in METRICS
    }


def weighted_median(values: Floats, weights: Floats) -> Floats:
    """Return the median of ``values``, shape (n,), repeated by each row of weights, shape (b,).

    Parameters
    ----------
    values : ndarray, shape (n,)
    weights : ndarray, shape (b, n)
        Whole numbers.
    """
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[:, order], axis=1)
    half = below[:, -1:] / 2
    lower = np.argmax(below >= half, axis=1)
    upper = np.argmax(below > half, axis=1)
    return (values[order[lower]] + values[order[upper]]) / 2


def _by_case(distances: Floats, near: Neighbours, site: Ints) -> tuple[Floats, Floats]:
    """Return silhouette width and kBET's rejection of every case, each of shape (n,)."""
    return silhouette_widths(distances, site), rejections(near, site).astype(np.float64)


def _weighted_mean(values: Floats, weights: Floats) -> Floats:
    return weights @ values / weights.sum(axis=1) if len(weights) else np.empty(0)
