"""Negative controls: what a judge must not find, what it must find, what a method must leave alone.

Two questions to the judge, on the candidate's own table with sites exchanged between subjects, so
that no site effect is left but everything else is as real as it is: how often does it raise a
false alarm, and does it find a site effect of known size that is planted in half of the features,
and only there?

Two questions to a harmonizer. Refitted with exchanged sites it has nothing to remove: what it
changes then is change for its own sake. Refitted on a copy with a planted site effect and, beside
it, a planted marker of the subject that it is not told of, it ought to remove the one and keep the
other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harmonize_kit.compare.arrays import (
    MOST_DRAWN,
    Flags,
    Floats,
    Ints,
    constant_columns,
    evenly,
    indicators,
)
from harmonize_kit.compare.candidates import Candidate, refitted
from harmonize_kit.compare.control_draws import (
    resampled_change,
    resampled_marker,
    resampled_slope,
)
from harmonize_kit.compare.linear_model import partial_effect
from harmonize_kit.compare.resampling import (
    Estimate,
    centred_interval,
    percentile_interval,
    site_permutations,
)
from harmonize_kit.compare.residuals import residuals
from harmonize_kit.compare.study import Study, rows_by_id
from harmonize_kit.core.table import FeatureTable

SIZE = 0.5  # standard deviation of the planted shifts, in within-site standard deviations
COPIES = 20  # exchanged copies in which the judge looks for the planted effect
MOST_FEATURES = 200  # evenly spread over the columns, for the same


def planted_detection(
    values: Floats, site: Ints, covariates: Floats, permutations: Ints, seed: int, level: float
) -> dict[str, Estimate]:
    """Return the share of planted features that are found, and of found ones that were not planted.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Features that vary.
    site : ndarray of int, shape (n,)
    covariates : ndarray, shape (n, d)
    permutations : ndarray of int, shape (b, n)
        Up to 20 of them are used.
    seed : int
    level : float
        q under which a feature counts as found; the share of false ones ought not to exceed it.
    """
    if not len(permutations):
        return {}
    rng = np.random.default_rng([seed, 5])
    residual = residuals(evenly(values, MOST_FEATURES), site, covariates)
    p = residual.reduced.shape[1]
    names, inverse = np.unique(site, return_inverse=True)
    codes, k = inverse.astype(np.intp), len(names)
    target = indicators(codes, k)[:, 1:]
    others = np.hstack([np.ones((len(site), 1)), residual.covariates])
    noise = residual.reduced.std(axis=0)
    found: list[tuple[float, float]] = []
    for permutation in permutations[:COPIES]:
        planted = rng.permutation(p) < (p + 1) // 2
        shift = SIZE * noise * rng.standard_normal((k, p)) * planted
        copy = residual.reduced[permutation] + shift[codes]
        q = partial_effect(copy, target, others).q
        hit: Flags = np.asarray(np.isfinite(q) & (np.nan_to_num(q, nan=1.0) < level))
        right, all_found = int(np.sum(hit & planted)), int(np.sum(hit))
        found.append((right / int(np.sum(planted)), 1 - right / all_found if all_found else 0.0))
    drawn = np.asarray(found, dtype=np.float64)
    power, wrong = drawn.mean(axis=0)
    return {
        "control_planted_found": Estimate(float(power), percentile_interval(drawn[:, 0])),
        "control_false_discoveries": Estimate(float(wrong), percentile_interval(drawn[:, 1])),
    }


def unneeded_change(
    candidate: Candidate, study: Study, names: tuple[str, ...], seed: int, weights: Floats
) -> Estimate:
    """Return how far a harmonizer changes features when sites are exchanged between subjects.

    One less the squared correlation of before and after, so that a mere change of unit is none;
    median over features. Taking k means out of n cases that have no site effect changes about
    (k - 1) / n of the variance where nothing is shrunk, and destroying a feature all of it.

    Parameters
    ----------
    candidate : Candidate
        A harmonizer.
    study : Study
    names : tuple of str
        Features judged.
    seed : int
    weights : ndarray, shape (b, n)
        Bootstrap counts; the fits stay as they are.

    Raises
    ------
    HarmonizeError
        If the harmonizer cannot be refitted.
    """
    order = site_permutations(study.site, study.subject, 1, seed + 1)[0]
    before = rows_by_id(candidate.table, study.ids)
    sites = [study.sites[int(code)] for code in study.site[np.argsort(order)]]
    covariates = before.covariates.copy()
    covariates[study.site_name] = sites
    exchanged = replace(before, covariates=covariates)
    values = _values(before, names)
    kept = ~constant_columns(values)
    after = refitted(candidate, exchanged, names)
    alike = _correlation(values[:, kept], after[:, kept])
    value = float(np.median(1 - alike**2))
    some = evenly(values[:, kept], MOST_DRAWN), evenly(after[:, kept], MOST_DRAWN)
    return Estimate(value, centred_interval(value, resampled_change(*some, weights)))


def planted_removal(
    candidate: Candidate, study: Study, names: tuple[str, ...], seed: int, weights: Floats
) -> dict[str, Estimate]:
    """Return how much of a planted site effect a harmonizer removes, and of a marker it keeps.

    Planted are shifts of half a within-site standard deviation on top of what the sites do
    anyway, and a marker: a number drawn for every subject, unrelated to site, that adds half a
    standard deviation to every other feature. Removed is one less the slope, on the planted
    shifts, of what planting changes in the site means; kept is the correlation of marked features
    with the marker within sites, over the one before. Medians over features; 0 and 1 for a method
    that changes nothing. A feature that is destroyed counts as 0 in both.

    Parameters
    ----------
    candidate : Candidate
        A harmonizer.
    study : Study
    names : tuple of str
        Features judged.
    seed : int
    weights : ndarray, shape (b, n)
        Bootstrap counts; the fits stay as they are.

    Raises
    ------
    HarmonizeError
        If the harmonizer cannot be refitted.
    """
    rng = np.random.default_rng([seed, 6])
    before = rows_by_id(candidate.table, study.ids)
    values = _values(before, names)
    unit = _within(values, study).std(axis=0)
    sizes = np.bincount(study.site)[:, None]
    shift = SIZE * rng.standard_normal((len(study.sites), len(names))) * unit
    shift -= np.sum(sizes * shift, axis=0) / sizes.sum()
    marker = rng.standard_normal((int(study.subject.max()) + 1, 1))[study.subject]
    marked = np.arange(len(names)) % 2 == 0
    plain = values + SIZE * marker * unit * marked
    after = refitted(candidate, _with(before, names, plain + shift[study.site]), names)
    without = refitted(candidate, _with(before, names, plain), names)
    kept = unit > 1e-9 * values.std(axis=0)
    spread, was = _within(without, study).std(axis=0), _within(plain, study).std(axis=0)
    scale = np.divide(was, spread, out=np.zeros_like(was), where=spread > 1e-12 * was)
    left = _site_means(after - without, study) * scale
    slope = np.sum(sizes * left * shift, axis=0)[kept] / np.sum(sizes * shift**2, axis=0)[kept]
    slope[scale[kept] == 0] = 1.0  # nothing was removed from a feature that is no longer there
    alone = _within(marker, study)
    follows = [_correlation(_within(table, study), alone) for table in (after, plain)]
    chosen = kept & marked & (np.abs(follows[1]) > 0)
    removed = float(np.median(1 - slope))
    still = float(np.median(follows[0][chosen] / follows[1][chosen]))
    whole = kept & (scale > 0)
    slopes = np.empty(0)
    if whole.any():
        change = evenly(((after - without) * scale)[:, whole], MOST_DRAWN)
        slopes = resampled_slope(change, evenly(shift[:, whole], MOST_DRAWN), study.site, weights)
    some = evenly(plain[:, chosen], MOST_DRAWN), evenly(after[:, chosen], MOST_DRAWN)
    shares = resampled_marker(*some, marker, study.site, weights)
    bounds = (-np.inf, np.inf)
    return {
        "control_planted_removed": Estimate(removed, centred_interval(removed, 1 - slopes, bounds)),
        "control_marker_kept": Estimate(still, centred_interval(still, shares, bounds)),
    }


def _values(table: FeatureTable, names: tuple[str, ...]) -> Floats:
    return np.asarray(table.features[list(names)].to_numpy(dtype=np.float64))


def _with(table: FeatureTable, names: tuple[str, ...], values: Floats) -> FeatureTable:
    features = table.features.copy()
    features[list(names)] = values
    return replace(table, features=features)


def _site_means(values: Floats, study: Study) -> Floats:
    return np.stack([values[study.site == code].mean(axis=0) for code in range(len(study.sites))])


def _within(values: Floats, study: Study) -> Floats:
    return values - _site_means(values, study)[study.site]


def _correlation(first: Floats, second: Floats) -> Floats:
    """Return the correlation of columns, zero where one of them is constant."""
    a, b = (
        np.where(constant_columns(table), 0.0, table - table.mean(axis=0))
        for table in (first, second)
    )
    size = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    product = np.sum(a * b, axis=0)
    return np.divide(product, size, out=np.zeros_like(product), where=size > 0)
