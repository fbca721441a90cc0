"""CovBat: what ComBat leaves of the sites in how features vary together.

Chen et al. 2022, Hum Brain Mapp 43:1179, in the form of ComBatFamily's ``covfam`` 0.2.1. After
ComBat every feature has the same location and scale at all sites, yet correlations may differ.
The residuals about the mean that covariates explain are scaled to unit variance and rotated to
their principal components; the leading ones lose the location and scale each site has in them,
without shrinkage, and the result is rotated back.

To fit, after ComBat gave ``harmonized`` rows::

    mean = grand_mean + covariates @ coefficients
    scores = fit_scores(harmonized - mean, codes, n_sites, share=0.95)

and to apply to any rows, ComBat first::

    covbat = harmonized + scores.change(harmonized - mean, codes)

Only the change in the leading components is rotated back, so what the others hold is kept to the
last digit, and so is every row of a reference site and every feature that does not vary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import ConfigError, DesignError

Array = NDArray[np.float64]

# Spreads, relative to a feature's size or to the largest component, that are rounding.
CONSTANT_SD = 1e-13
RANK_TOLERANCE = 1e-12
BLOCK_NUMBERS = 2**22


@dataclass(frozen=True)
class ScoreCorrection:
    """Location and scale of each site in the leading principal components.

    Parameters
    ----------
    centre, spread : ndarray, shape (p,)
        Mean and standard deviation of the training residuals; ``spread`` is 1 where they do not
        vary.
    rotation : ndarray, shape (p, m)
        Loadings of the m corrected components; in each the largest is positive.
    target : ndarray, shape (m,)
        Location of the scores at no site in particular, or at the reference site.
    location : ndarray, shape (k, m)
        Mean of each site's scores.
    scale : ndarray, shape (k, m)
        Standard deviation of each site's scores over that of all sites, or of the reference.
    """

    centre: Array
    spread: Array
    rotation: Array
    target: Array
    location: Array
    scale: Array

    def change(self, residuals: Array, codes: NDArray[np.int_]) -> Array:
        """Return what is added to harmonized values, shape (n, p).

        Parameters
        ----------
        residuals : ndarray, shape (n, p)
            Harmonized values less the mean that covariates explain. A missing cell (NaN) adds
            nothing to the scores of its row, as if it lay at its centre.
        codes : ndarray of int, shape (n,)
            Site of each row.
        """
        n, p = residuals.shape
        scores = np.zeros((n, len(self.target)))
        for own in _blocks(n, p):
            scaled = (residuals[:, own] - self.centre[own]) / self.spread[own]
            scores += np.where(np.isnan(scaled), 0.0, scaled) @ self.rotation[own]
        # Written as a change: exactly 0 where a site has the target's location and scale.
        slope = 1 / self.scale - 1
        moved = scores * slope[codes] + (self.target - self.location / self.scale)[codes]
        change = np.empty((n, p))
        for own in _blocks(n, p):
            change[:, own] = moved @ self.rotation[own].T * self.spread[own]
        return change


def fit_scores(
    residuals: Array,
    codes: NDArray[np.int_],
    n_sites: int,
    *,
    share: float = 0.95,
    components: int | None = None,
    reference: int | None = None,
    mean_only: bool = False,
) -> ScoreCorrection:
    """Learn the site effects in the principal components of harmonized residuals.

    A site of one case keeps its scores: it has no scale, and its location would be that subject.

    Parameters
    ----------
    residuals : ndarray, shape (n, p)
        Harmonized values less the mean that covariates explain; finite.
    codes : ndarray of int, shape (n,)
        Site of each row, from 0; every code occurs.
    n_sites : int
    share : float
        The fewest components that explain more than this share of the variance are corrected.
    components : int, optional
        Correct so many, whatever they explain.
    reference : int, optional
        Site whose scores are left as they are, and to which the others are brought.
    mean_only : bool
        Correct the location of the scores only.

    Raises
    ------
    ConfigError
        If ``share`` is not above 0 and at most 1, or there are not so many components.
    DesignError
        If no feature varies.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"the share of variance must be above 0 and at most 1, got {share}")
    centre = residuals.mean(axis=0)
    spread = residuals.std(axis=0, ddof=1)
    size = np.sqrt(np.einsum("ij,ij->j", residuals, residuals) / len(residuals))
    varying = spread > CONSTANT_SD * size
    if not varying.any():
        raise DesignError("expected features that vary after ComBat, got none")
    spread = np.where(varying, spread, 1.0)
    scaled = _Scaled(residuals, centre, spread, varying)
    rotation, scores = _principal_components(scaled, share, components)
    target, location, scale = _site_scores(scores, codes, n_sites, reference, mean_only)
    return ScoreCorrection(centre, spread, rotation, target, location, scale)


def _count(variances: Array, share: float, components: int | None) -> int:
    if components is not None:
        if not 1 <= components <= len(variances):
            raise ConfigError(
                f"expected 1 to {len(variances)} principal components, as many as these cases and "
                f"features have, got {components}"
            )
        return components
    explained = np.cumsum(variances) / variances.sum()
    return min(int(np.searchsorted(explained, share, side="right")) + 1, len(variances))


def _principal_components(
    scaled: _Scaled, share: float, components: int | None
) -> tuple[Array, Array]:
    """Return loadings (p, m) and scores (n, m) of the leading principal components, largest first.

    The products of rows or of features, whichever are fewer, have the same eigenvalues; loadings
    follow from those of rows by one more product, so p may be far above n.
    """
    n, p = scaled.residuals.shape
    if p <= n:
        whole = scaled.block(slice(0, p))
        _, loadings = _leading(whole.T @ whole, share, components)
        scores = whole @ loadings
    else:
        gram, blocks = np.zeros((n, n)), list(_blocks(n, p))
        for own in blocks:
            part = scaled.block(own)
            gram += part @ part.T
        values, rows = _leading(gram, share, components)
        root = np.sqrt(values)
        loadings = np.concatenate([scaled.block(own).T @ (rows / root) for own in blocks])
        scores = rows * root
    loadings[~scaled.varying] = 0.0
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=0)[None], axis=0)
    sign = np.sign(largest)
    return loadings * sign, scores * sign


def _leading(gram: Array, share: float, components: int | None) -> tuple[Array, Array]:
    """Return the leading eigenvalues (m,) and eigenvectors (r, m) of a matrix of products."""
    values, vectors = np.linalg.eigh(gram)
    there = values > RANK_TOLERANCE * values[-1]
    values, vectors = values[there][::-1], vectors[:, there][:, ::-1]
    m = _count(values, share, components)
    return values[:m], vectors[:, :m]


@dataclass(frozen=True)
class _Scaled:
    """Residuals in units of their spread, some features at a time."""

    residuals: Array
    centre: Array
    spread: Array
    varying: NDArray[np.bool_]

    def block(self, own: slice) -> Array:
        part = (self.residuals[:, own] - self.centre[own]) / self.spread[own]
        return np.where(self.varying[own], part, 0.0)


def _blocks(n: int, p: int) -> Iterator[slice]:
    """Yield slices of features so narrow that n rows of them are a few million numbers."""
    width = max(1, BLOCK_NUMBERS // max(n, 1))
    for start in range(0, p, width):
        yield slice(start, start + width)


def _site_scores(
    scores: Array, codes: NDArray[np.int_], n_sites: int, reference: int | None, mean_only: bool
) -> tuple[Array, Array, Array]:
    """Return target (m,), location (k, m) and scale (k, m) of the scores."""
    counts = np.bincount(codes, minlength=n_sites).astype(np.float64)
    location = np.stack([scores[codes == site].mean(axis=0) for site in range(n_sites)])
    about = scores - location[codes]
    scatter = np.stack([(about[codes == site] ** 2).sum(axis=0) for site in range(n_sites)])
    if reference is None:
        target, variance = counts @ location / counts.sum(), scatter.sum(axis=0) / counts.sum()
    else:
        target, variance = location[reference], scatter[reference] / counts[reference]
    own = scatter / np.maximum(counts - 1, 1)[:, None]
    known = (own > RANK_TOLERANCE * variance) & (variance > 0) & (not mean_only)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(known, np.sqrt(own / variance), 1.0)
    kept = counts == 1
    if reference is not None:
        kept[reference] = True
    location[kept], scale[kept] = target, 1.0
    return target, location, scale
