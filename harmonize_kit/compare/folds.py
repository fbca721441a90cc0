"""Folds that hold subjects together and every site in every training set."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harmonize_kit.compare.arrays import Flags, Ints


@dataclass(frozen=True)
class Fold:
    """Positions, among the cross-validated cases, of those learned from and those held out."""

    train: Ints
    test: Ints


@dataclass(frozen=True)
class CrossValidation:
    """Which cases take part, and in which fold each is held out.

    Parameters
    ----------
    rows : ndarray of int, shape (m,)
        Positions of the cases that take part, among all cases.
    folds : tuple of Fold
        Positions count from 0 to m - 1. Each case is held out once.
    """

    rows: Ints
    folds: tuple[Fold, ...]


def cross_validation(
    site: Ints, subject: Ints, n_folds: int, seed: int, levels: Sequence[Ints] = ()
) -> CrossValidation | None:
    """Split the cases into folds grouped by subject and stratified by site.

    A subject's cases are held out together, or the classifier could know a held-out case by the
    subject's own anatomy. Every site must keep subjects in every training set, both for the
    classifier to know it and for a harmonizer to be applied to its held-out cases; so sites with
    fewer subjects than folds take no part. Every level of biology ought to be in every training
    set too, or what preserves it cannot be applied; where chance put all its cases into one fold,
    cases of such levels are spread over the folds before those of the sites.

    Parameters
    ----------
    site, subject : ndarray of int, shape (n,)
    n_folds, seed : int
    levels : sequence of ndarray of int, shape (n,)
        Codes of covariates with levels.

    Returns
    -------
    CrossValidation or None
        None where fewer than two sites have as many subjects as there are folds.
    """
    taking_part = np.ones(len(site), dtype=np.bool_)
    while True:
        taking_part &= _large_enough(site, subject, taking_part, n_folds)
        rows = np.flatnonzero(taking_part)
        if len(np.unique(site[rows])) < 2:
            return None
        folds = _split(site[rows], subject[rows], n_folds, seed)
        rare = _rare(folds, [codes[rows] for codes in levels])
        if rare.any():
            strata = np.where(rare > 0, int(site.max()) + rare, site[rows])
            folds = _split(strata, subject[rows], n_folds, seed)
        lost = {int(s) for fold in folds for s in np.setdiff1d(site[rows], site[rows][fold.train])}
        if not lost:
            return CrossValidation(rows, folds)
        # Grouping may leave a site without training cases where its subjects also count elsewhere.
        taking_part &= ~np.isin(site, list(lost))


def absent_levels(folds: Sequence[Fold], codes: Ints) -> list[int]:
    """Return the levels, out of ``codes`` of shape (m,), that some training set lacks."""
    lost = [np.setdiff1d(codes, codes[fold.train]) for fold in folds]
    return [int(level) for level in np.unique(np.concatenate(lost))]


def _rare(folds: Sequence[Fold], levels: Sequence[Ints]) -> Ints:
    """Return which of the levels that a training set lacks each case has, 0 for none of them."""
    found = np.zeros(len(folds[0].train) + len(folds[0].test), dtype=np.intp)
    for codes in levels:
        for level in absent_levels(folds, codes):
            found[(codes == level) & (found == 0)] = found.max() + 1
    return found


def _large_enough(site: Ints, subject: Ints, taking_part: Flags, n_folds: int) -> Flags:
    pairs = np.unique(np.column_stack([site, subject])[taking_part], axis=0)
    counts = np.bincount(pairs[:, 0], minlength=int(site.max()) + 1)
    return np.asarray(counts[site] >= n_folds)


def _split(site: Ints, subject: Ints, n_folds: int, seed: int) -> tuple[Fold, ...]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    grouped = len(np.unique(subject)) < len(subject)
    # Without repeats the ungrouped splitter stratifies exactly; the grouped one is greedy.
    kind: Any = StratifiedGroupKFold if grouped else StratifiedKFold
    splitter: Any = kind(n_splits=n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A stratum of fewer members than folds is spread as far as it goes.
        warnings.filterwarnings("ignore", message="The least populated class")
        pairs = list(splitter.split(np.zeros((len(site), 1)), site, subject if grouped else None))
    return tuple(
        Fold(np.asarray(train, dtype=np.intp), np.asarray(test, dtype=np.intp))
        for train, test in pairs
    )
