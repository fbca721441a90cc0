"""Folds: subjects whole, sites everywhere, small sites left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.compare.folds import absent_levels, cross_validation


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n_subjects=st.integers(12, 40),
    n_sites=st.integers(2, 4),
    travelling=st.booleans(),
)
def test_every_training_set_knows_every_site_and_no_held_out_subject(
    seed: int, n_subjects: int, n_sites: int, travelling: bool
):
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(n_subjects), rng.integers(1, 4, n_subjects))
    site = rng.integers(0, n_sites, n_subjects)[subject]
    if travelling:
        site = rng.integers(0, n_sites, len(subject))
    split = cross_validation(site, subject, 3, seed)
    if split is None:
        return
    kept_site, kept_subject = site[split.rows], subject[split.rows]
    held_out = np.concatenate([fold.test for fold in split.folds])
    assert sorted(held_out) == list(range(len(split.rows)))
    for fold in split.folds:
        assert set(kept_site[fold.train]) == set(kept_site)
        assert not set(kept_subject[fold.train]) & set(kept_subject[fold.test])


def test_sites_with_fewer_subjects_than_folds_take_no_part():
    site = np.array([0] * 8 + [1] * 8 + [2] * 6)
    subject = np.concatenate([np.arange(16), [16, 16, 17, 18, 19, 19]])  # site 2: six scans of four
    split = cross_validation(site, subject, 5, 0)
    assert split is not None
    assert split.rows.tolist() == list(range(16))


def test_each_fold_holds_its_share_of_each_site():
    site = np.array([0] * 20 + [1] * 10)
    split = cross_validation(site, np.arange(30), 5, 0)
    assert split is not None
    for fold in split.folds:
        assert np.bincount(site[fold.test]).tolist() == [4, 2]


@pytest.mark.parametrize("sizes", [(4, 4), (20, 4)])
def test_fewer_than_two_large_sites_cannot_be_cross_validated(sizes: tuple[int, int]):
    site = np.repeat([0, 1], sizes)
    assert cross_validation(site, np.arange(len(site)), 5, 0) is None


def test_a_rare_level_is_in_every_training_set_where_it_can_be():
    site = np.array([0] * 40 + [1] * 40)
    subject = np.arange(80)
    plain = cross_validation(site, subject, 5, 0)
    assert plain is not None
    level = np.zeros(80, dtype=np.intp)
    level[plain.folds[2].test[:3]] = 1  # all in one fold, were it not for the level
    assert absent_levels(plain.folds, level) == [1]
    split = cross_validation(site, subject, 5, 0, [np.zeros(80, dtype=np.intp), level])
    assert split is not None
    assert absent_levels(split.folds, level) == []
    for fold in split.folds:
        assert set(site[fold.train]) == {0, 1}
    common = np.arange(80, dtype=np.intp) % 2
    unmoved = cross_validation(site, subject, 5, 0, [common])
    assert unmoved is not None
    for one, other in zip(plain.folds, unmoved.folds, strict=True):
        np.testing.assert_array_equal(one.test, other.test)
    level[:] = 0
    level[7] = 1
    alone = cross_validation(site, subject, 5, 0, [level])
    assert alone is not None
    assert absent_levels(alone.folds, level) == [1]
