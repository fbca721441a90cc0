"""Empirical Bayes shrinkage of the location and scale of each site over its features.

Johnson, Li and Rabinovic 2007, Biostatistics 8:118, section 3; iteration and convergence as in R's
``sva::ComBat`` 3.46, whose numbers these are. A site of few cases has noisy estimates; features of
one site are alike enough that their spread tells how far each estimate should be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

CONVERGENCE = 1e-4
MAX_ITERATIONS = 10_000
CHUNK = 500_000  # cells of the weights that are held at once
CACHED = 16_384  # cells worked on together: few enough to stay in the cache


@dataclass(frozen=True)
class Priors:
    """Hyperparameters of each site, each of shape (k,).

    ``location_mean`` and ``location_variance`` of the normal prior of the locations, ``shape`` and
    ``rate`` of the inverse-gamma prior of the scales (moment estimates).
    """

    location_mean: NDArray[np.float64]
    location_variance: NDArray[np.float64]
    shape: NDArray[np.float64]
    rate: NDArray[np.float64]


def estimate_priors(location: NDArray[np.float64], scale: NDArray[np.float64]) -> Priors:
    """Return the moment estimates of each site's priors from (k, p) estimates, p at least 2.

    Where all scales of a site are equal the inverse-gamma prior is a point: ``shape`` and ``rate``
    are infinite.
    """
    mean, variance = scale.mean(axis=1), scale.var(axis=1, ddof=1)
    with np.errstate(divide="ignore"):
        shape = (2 * variance + mean**2) / variance
        rate = (mean * variance + mean**3) / variance
    return Priors(location.mean(axis=1), location.var(axis=1, ddof=1), shape, rate)


def shrink_location(
    location: NDArray[np.float64],
    counts: NDArray[np.float64] | float,
    scale: NDArray[np.float64] | float,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the posterior mean of locations (k, p) given scales; sva's ``postmean``."""
    weight = variance[:, None] * counts
    return (weight * location + scale * mean[:, None]) / (weight + scale)


def shrink_parametric(
    location: NDArray[np.float64],
    scale: NDArray[np.float64],
    squares: NDArray[np.float64],
    counts: NDArray[np.float64],
    priors: Priors,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shrunken locations and scales, each (k, p), by sva's fixed-point iteration.

    A site stops once its largest relative change is below 1e-4. The change is divided by the
    signed old value, as sva does: dividing by its size would stop later and differ by 3e-5.
    A site whose scales are all equal, as where only means are corrected, keeps them.

    Parameters
    ----------
    location, scale, squares : ndarray, shape (k, p)
        Mean, variance and sum of squares of the standardised residuals.
    counts : ndarray, shape (k, 1) or (k, p)
        Cases of each site; of each feature too where cells are missing.
    priors : Priors
    """
    found = np.empty_like(location), np.empty_like(scale)
    together = max(1, CACHED // location.shape[1])
    for start in range(0, len(location), together):
        sites = np.arange(start, min(start + together, len(location)))
        iteration = _Iteration.of(sites, location, scale, squares, counts, priors)
        for turn in range(MAX_ITERATIONS):
            settled = iteration.step() | (turn == MAX_ITERATIONS - 1)
            if not settled.any():
                continue
            found[0][sites[settled]] = iteration.location[settled]
            found[1][sites[settled]] = iteration.scale[settled]
            if settled.all():
                break
            sites, iteration = sites[~settled], iteration.of_sites(~settled)
    return found


@dataclass(frozen=True)
class _Iteration:
    """sva's ``it.sol``, with ``postmean`` and ``postvar`` written out, for several sites at once.

    ``location`` and ``scale`` are worked on in place; the rest does not change from step to step.
    """

    location: NDArray[np.float64]  # (k, p), as the others but for those of each site, (k, 1)
    scale: NDArray[np.float64]
    mean: NDArray[np.float64]
    pulled: NDArray[np.float64]  # prior variance x count x estimate
    weight: NDArray[np.float64]  # prior variance x count
    base: NDArray[np.float64]  # rate + squares / 2
    totals: NDArray[np.float64]  # count x estimate
    half: NDArray[np.float64]  # count / 2
    divisor: NDArray[np.float64]
    point: NDArray[np.bool_]  # (k, 1): the scales are all equal, and stay

    @classmethod
    def of(
        cls,
        sites: NDArray[np.int_],
        location: NDArray[np.float64],
        scale: NDArray[np.float64],
        squares: NDArray[np.float64],
        counts: NDArray[np.float64],
        priors: Priors,
    ) -> _Iteration:
        """Return the start for some sites; see :func:`shrink_parametric`."""
        n, start = counts[sites], location[sites]
        point = np.isinf(priors.shape[sites, None])
        shape = np.where(point, 1.0, priors.shape[sites, None])
        rate = np.where(point, 0.0, priors.rate[sites, None])
        base = squares[sites] * 0.5
        base += rate
        totals, weight, half = start * n, priors.location_variance[sites, None] * n, n / 2
        return cls(
            start, scale[sites], priors.location_mean[sites, None], weight * start, weight,
            base, totals, half, half + (shape - 1), point,
        )  # fmt: skip

    def of_sites(self, sites: NDArray[np.bool_]) -> _Iteration:
        """Return the same for some of the sites."""
        return _Iteration(**{one.name: getattr(self, one.name)[sites] for one in fields(self)})

    def step(self) -> NDArray[np.bool_]:
        """Go one step and tell which sites are settled, shape (k,)."""
        g, d = self.location, self.scale
        new = d * self.mean
        new += self.pulled
        scratch = self.weight + d
        new /= scratch
        moved = _largest_change(new, g, scratch)
        g[:] = new
        new *= self.half
        new -= self.totals
        new *= g
        new += self.base
        new /= self.divisor
        if self.point.any():
            np.copyto(new, d, where=self.point)
        settled = ~(moved > CONVERGENCE)
        if settled.any():
            settled &= ~(_largest_change(new, d, scratch) > CONVERGENCE)
        d[:] = new
        return settled


def _largest_change(
    new: NDArray[np.float64], old: NDArray[np.float64], scratch: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the largest change of each site relative to the signed old value, shape (k,).

    0 over 0 is none, as in sva. ``scratch`` of the same shape is worked in.
    """
    np.subtract(new, old, out=scratch)
    np.abs(scratch, out=scratch)
    with np.errstate(divide="ignore", invalid="ignore"):
        scratch /= old
    return np.fmax.reduce(scratch, axis=1)


def shrink_nonparametric(
    location: NDArray[np.float64],
    scale: NDArray[np.float64],
    squares: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shrunken locations and scales, each (k, p), with the features themselves as prior.

    For each feature the (location, scale) pairs of all other features of the site are weighted by
    the likelihood of its residuals under them (sva's ``int.eprior``). Weights are formed on the
    logarithmic scale, so that they do not vanish for sites of several hundred cases.

    ``counts`` has shape (k, 1), or (k, p) where cells are missing.
    """
    new_location, new_scale = np.empty_like(location), np.empty_like(scale)
    p = location.shape[1]
    counts = np.broadcast_to(counts, location.shape)
    step = max(1, CHUNK // p)
    for site, (g, d) in enumerate(zip(location, scale, strict=True)):
        n, s, total = counts[site], squares[site], location[site] * counts[site]
        # -2 log likelihood of feature f under pair m: n log(2 pi d) + (s - 2 g t + n g^2) / d.
        pairs = np.stack([np.log(2 * np.pi * d) + g**2 / d, 1 / d, -2 * g / d])
        for start in range(0, p, step):
            own = slice(start, min(start + step, p))
            weight = np.stack([n[own], s[own], total[own]], axis=1) @ pairs
            rows = np.arange(len(weight))
            weight[rows, rows + start] = np.inf
            weight -= weight.min(axis=1, keepdims=True)
            np.exp(-0.5 * weight, out=weight)
            weight /= weight.sum(axis=1, keepdims=True)
            new_location[site, own], new_scale[site, own] = weight @ g, weight @ d
    return new_location, new_scale
