"""Whether a subject measured again is found again: at another site, or at the same.

Travelling subjects are the only direct evidence on what a scanner does to one person. Agreement
is a share of variance, so it is not raised by making everybody alike: a feature that no longer
varies counts as no agreement.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harmonize_kit.compare.arrays import Flags, Floats, Ints, constant_columns
from harmonize_kit.core.agreement import intraclass_value

LEAST_SUBJECTS = 3


@dataclass(frozen=True)
class Crossing:
    """Subjects all of whom were seen at all of some sites, one case each.

    Parameters
    ----------
    rows : ndarray of int, shape (n_subjects, n_sites)
        Positions of the cases.
    sites : ndarray of int, shape (n_sites,)
    """

    rows: Ints
    sites: Ints


def find_crossing(site: Ints, subject: Ints) -> Crossing | None:
    """Return the largest complete block of subjects and sites; None without three travellers.

    Where a subject was seen several times at one site, the first case counts: agreement is that
    of single measurements. The block is that of the most cases; of equal ones, of more subjects.

    Parameters
    ----------
    site, subject : ndarray of int, shape (n,)
    """
    people, codes = np.unique(subject, return_inverse=True)
    sites = np.unique(site)
    seen = np.full((len(people), int(site.max()) + 1), -1, dtype=np.intp)
    for row in range(len(site) - 1, -1, -1):
        seen[codes[row], site[row]] = row
    visited = seen >= 0
    best: tuple[int, int, tuple[int, ...]] | None = None
    for chosen in _site_sets(visited, [int(code) for code in sites]):
        complete = int(np.count_nonzero(visited[:, list(chosen)].all(axis=1)))
        if complete >= LEAST_SUBJECTS:
            size = (complete * len(chosen), complete, chosen)
            best = size if best is None or size[:2] > best[:2] else best
    if best is None:
        return None
    columns = list(best[2])
    return Crossing(
        seen[visited[:, columns].all(axis=1)][:, columns], np.asarray(columns, dtype=np.intp)
    )


def intraclass(values: Floats, crossing: Crossing) -> Floats:
    """Return ICC(2,1) of each feature, shape (p,); 0 for one that does not vary.

    See :func:`harmonize_kit.core.agreement.intraclass_correlation`.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    crossing : Crossing
    """
    measured = values[crossing.rows]  # (subjects, sites, p)
    found = intraclass_value(measured)
    found[constant_columns(measured.reshape(-1, values.shape[1]))] = 0.0
    return np.nan_to_num(found, nan=0.0)


def concordance(values: Floats, crossing: Crossing) -> Floats:
    """Return the overall concordance correlation of each feature, shape (p,).

    Lin's coefficient (1989, Biometrics 45:255) of two sites; of several, the mean over pairs
    weighted by what would be expected without agreement (Barnhart, Haber and Song 2002,
    Biometrics 58:1020). Variances have n as denominator, as in Lin's paper. 0 for a feature that
    does not vary.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    crossing : Crossing
    """
    measured = values[crossing.rows]
    centred = measured - measured.mean(axis=(0, 1))
    mean = centred.mean(axis=0)  # (sites, p)
    spread = centred - mean
    shared, expected = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for first, second in combinations(range(len(crossing.sites)), 2):
        shared += 2 * np.mean(spread[:, first] * spread[:, second], axis=0)
        expected += np.mean(spread[:, first] ** 2 + spread[:, second] ** 2, axis=0)
        expected += (mean[first] - mean[second]) ** 2
    flat = constant_columns(measured.reshape(-1, values.shape[1])) | (expected <= 0)
    return np.divide(shared, expected, out=np.zeros_like(shared), where=~flat)


def site_bias(values: Floats, crossing: Crossing) -> Floats:
    """Return how far one of two sites lies from the other by feature, in SDs, shape (p,).

    ``mean(second - first) / SD(first)`` over subjects, in the order of the sites' names: the paired
    bias of Bland and Altman (1986, Lancet 327:307) in a unit that features share. NaN for a feature
    that does not vary at the first site.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    crossing : Crossing
        Of two sites.
    """
    return _pairwise_bias(values, crossing)[0]


def site_bias_size(values: Floats, crossing: Crossing) -> Floats:
    """Return the size of :func:`site_bias` whatever its sign, mean over pairs of sites, (p,)."""
    return np.abs(_pairwise_bias(values, crossing)).mean(axis=0)


def _pairwise_bias(values: Floats, crossing: Crossing) -> Floats:
    """Return the bias of each pair of sites, shape (pairs, p), against the first of the pair."""
    measured = values[crossing.rows]
    mean, scale = measured.mean(axis=0), measured.std(axis=0)  # (sites, p)
    for place in range(len(scale)):
        scale[place, constant_columns(measured[:, place])] = np.nan
    pairs = combinations(range(len(scale)), 2)
    return np.stack([(mean[b] - mean[a]) / scale[a] for a, b in pairs])


def within_subject_share(values: Floats, subject: Ints, weights: Floats | None = None) -> Floats:
    """Return the share of each feature's variance that lies within subjects, shape (b, p).

    One less the intraclass correlation of a one-way analysis of variance (Shrout and Fleiss 1979,
    case 1; unequal numbers of cases as in Donner 1986, International Statistical Review 54:67), of
    all subjects with two or more cases, wherever they were seen. In [0, 1]; 1 for a feature that
    does not vary.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    subject : ndarray of int, shape (n,)
    weights : ndarray, shape (b, n), optional
        Bootstrap counts, the same for all cases of a subject; a row of ones otherwise.
    """
    rows = repeated(subject)
    own, codes = values[rows], np.unique(subject[rows], return_inverse=True)[1]
    mean, scale = own.mean(axis=0), own.std(axis=0)
    flat = constant_columns(own)
    own = (own - mean) / np.where(flat, 1.0, scale)
    member = (codes[:, None] == np.arange(int(codes.max()) + 1)).astype(np.float64)  # (n, s)
    size = member.sum(axis=0)
    means = member.T @ own / size[:, None]  # (s, p)
    within = np.asarray(member.T @ (own - member @ means) ** 2)  # (s, p)
    drawn = np.ones((1, len(size))) if weights is None else _by_subject(weights[:, rows], codes)
    people = drawn.sum(axis=1)[:, None]
    cases = (drawn @ size)[:, None]
    centre = (drawn * size) @ means / np.maximum(cases, 1)
    between = (drawn * size) @ means**2 - cases * centre**2
    uneven = (drawn @ size**2)[:, None] / np.maximum(cases, 1)
    typical = (cases - uneven) / np.maximum(people - 1, 1)
    error = drawn @ within / np.maximum(cases - people, 1)
    # A single subject has nobody to differ from: all variance lies within it.
    typical[typical <= 0] = 1.0
    level = np.maximum((between / np.maximum(people - 1, 1) - error) / typical, 0.0)
    total = error + level
    share = np.divide(error, total, out=np.ones_like(error), where=total > 1e-12)
    share[:, flat] = 1.0
    return share


def repeated(subject: Ints) -> Flags:
    """Tell which cases are of subjects with two or more, shape (n,)."""
    _, codes, counts = np.unique(subject, return_inverse=True, return_counts=True)
    return np.asarray(counts[codes] > 1)


def _by_subject(weights: Floats, codes: Ints) -> Floats:
    """Return how often each subject was drawn, shape (b, s)."""
    first = np.unique(codes, return_index=True)[1]
    return weights[:, first]


def _site_sets(visited: Flags, sites: list[int]) -> list[tuple[int, ...]]:
    """Return sets of two or more sites that some subject saw all of.

    Every complete block of most cases has the sites of an intersection of subjects' visits; pairs
    and single subjects give those that matter, and stay few where sites are many.
    """
    patterns = {tuple(code for code in sites if row[code]) for row in visited}
    patterns = {pattern for pattern in patterns if len(pattern) > 1}
    shared = {
        tuple(code for code in first if code in second)
        for first, second in combinations(sorted(patterns), 2)
    }
    return sorted(found for found in patterns | shared if len(found) > 1)
