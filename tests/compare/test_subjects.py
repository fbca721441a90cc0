"""Agreement of subjects measured again: other implementations, laws, and what earns nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.compare import compare
from harmonize_kit.compare.subject_agreement import (
    Crossing,
    concordance,
    find_crossing,
    intraclass,
    site_bias,
    site_bias_size,
    within_subject_share,
)
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.config.phantom import TablePhantomConfig
from harmonize_kit.phantom import simulate_table

PEERS: dict[str, Any] = json.loads((Path(__file__).parent / "figures" / "peers.json").read_text())
MEASURED = np.asarray(PEERS["measured"])  # (6, 4, 3)
FLAT = MEASURED.reshape(24, 3)
CROSSING = Crossing(np.arange(24).reshape(6, 4), np.arange(4))
SUBJECT = np.repeat(np.arange(6), 4)


def test_icc_is_that_of_pingouin():
    np.testing.assert_allclose(intraclass(FLAT, CROSSING), PEERS["icc2"], rtol=1e-8)


def test_within_subject_share_is_one_less_the_one_way_icc_of_pingouin():
    share = within_subject_share(FLAT, SUBJECT)[0]
    np.testing.assert_allclose(share, 1 - np.maximum(PEERS["icc1"], 0), rtol=1e-8)


def test_concordance_is_squared_distance_over_that_without_agreement():
    """Lin's definition: 1 - E(x - y)^2 / E(x - y)^2 if x and y were independent."""
    apart = np.zeros(3)
    independent = np.zeros(3)
    for first in range(4):
        for second in range(first):
            x, y = MEASURED[:, first], MEASURED[:, second]
            apart += np.mean((x - y) ** 2, axis=0)
            independent += np.mean((x[:, None] - y[None]) ** 2, axis=(0, 1))
    np.testing.assert_allclose(concordance(FLAT, CROSSING), 1 - apart / independent, rtol=1e-10)


def test_unequal_numbers_of_cases_follow_the_analysis_of_variance():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(9), [1, 2, 2, 3, 5, 1, 4, 2, 3])
    values = rng.normal(size=(9, 2))[subject] * 2 + rng.normal(size=(23, 2))
    kept = ~np.isin(subject, [0, 5])
    groups = [values[subject == code] for code in range(9) if np.sum(subject == code) > 1]
    n, k = int(kept.sum()), len(groups)
    grand = values[kept].mean(axis=0)
    between = sum(len(g) * (g.mean(axis=0) - grand) ** 2 for g in groups) / (k - 1)
    within = sum(((g - g.mean(axis=0)) ** 2).sum(axis=0) for g in groups) / (n - k)
    typical = (n - sum(len(g) ** 2 for g in groups) / n) / (k - 1)
    level = np.maximum((between - within) / typical, 0)
    found = within_subject_share(values, subject)
    np.testing.assert_allclose(found[0], within / (within + level), rtol=1e-10)
    weights = np.ones((2, 23))
    np.testing.assert_allclose(within_subject_share(values, subject, weights), found[[0, 0]])


def test_shift_of_a_site_is_disagreement_and_what_does_not_vary_earns_nothing():
    rng = np.random.default_rng(1)
    level = rng.normal(size=(8, 1, 2)).repeat(3, axis=1)
    shifted = level + np.array([0.0, 3.0, -3.0])[None, :, None]
    crossing = Crossing(np.arange(24).reshape(8, 3), np.arange(3))
    for measure in (intraclass, concordance):
        np.testing.assert_allclose(measure(level.reshape(24, 2), crossing), 1)
        assert (measure(shifted.reshape(24, 2), crossing) < 0.3).all()
        assert (measure(np.full((24, 2), 4.2), crossing) == 0).all()
    assert (within_subject_share(np.full((24, 2), 4.2), np.repeat(np.arange(8), 3)) == 1).all()


def test_bias_between_sites_is_in_sds_of_the_first_and_unknown_where_it_does_not_vary():
    rng = np.random.default_rng(2)
    first = np.hstack([rng.normal(size=(8, 2)) * [3.0, 0.1], np.full((8, 1), 4.2)])
    second = first + first.std(axis=0) * [0.5, -1.0, 0] + [0, 0, 1]
    pair = Crossing(np.arange(16).reshape(2, 8).T, np.arange(2))
    found = site_bias(np.vstack([first, second]), pair)
    np.testing.assert_allclose(found, [0.5, -1, np.nan])
    np.testing.assert_allclose(site_bias_size(np.vstack([first, second]), pair), np.abs(found))
    three = Crossing(np.arange(24).reshape(3, 8).T, np.arange(3))
    size = site_bias_size(np.vstack([first, second, first]), three)
    np.testing.assert_allclose(size, [1 / 3, 2 / 3, np.nan])  # of three pairs, one at no distance


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 60))
def test_a_crossing_is_complete_and_of_the_right_cases(seed: int, n: int):
    rng = np.random.default_rng(seed)
    site, subject = rng.integers(0, 4, n), rng.integers(0, 7, n)
    found = find_crossing(site, subject)
    if found is None:
        pairs = [(a, b) for a in range(4) for b in range(a)]
        for a, b in pairs:
            assert len(set(subject[site == a]) & set(subject[site == b])) < 3
        return
    assert len(found.rows) >= 3
    assert len(found.sites) >= 2
    assert (site[found.rows] == found.sites).all()
    assert (subject[found.rows] == subject[found.rows[:, :1]]).all()
    assert len(np.unique(subject[found.rows[:, 0]])) == len(found.rows)


def test_a_single_subject_has_nobody_to_differ_from():
    values = np.random.default_rng(0).normal(size=(4, 3))
    assert (within_subject_share(values, np.array([0, 0, 0, 1])) == 1).all()


def test_travellers_of_the_phantom_agree_better_without_the_site(quick: CompareConfig):
    config = TablePhantomConfig(subjects=60, features=20, sites=3, travelling=12, shift=0.7)
    phantom = simulate_table(config, 2)
    constant = phantom.raw.with_values(np.ones_like(phantom.raw.values))
    card = compare(
        {"raw": phantom.raw, "true": phantom.truth, "constant": constant},
        site="site", biology=["age"], subject="subject", config=quick,
    )  # fmt: skip
    for metric in ("icc", "ccc"):
        raw, true, nothing = (card.find(name, metric) for name in ("raw", "true", "constant"))
        assert raw is not None
        assert true is not None
        assert nothing is not None
        assert nothing.value == 0
        assert true.value > raw.value + 0.1
        assert true.value == pytest.approx(0.9, abs=0.06)  # the reliability that was planted
        assert true.interval is not None
        assert true.interval[0] < true.value < true.interval[1]
        assert "12 subjects seen at each of 3 sites" in true.note
        assert raw.target == "subject"
    shares = [card.find(name, "within_subject_share") for name in ("raw", "true", "constant")]
    assert all(share is not None and not share.higher_is_better for share in shares)
    raw, true, nothing = (share.value for share in shares if share is not None)
    assert true < raw < nothing == 1
    assert card.find("raw", "site_bias") is None  # between three sites there is no sign
    sizes = [card.find(name, "site_bias_size") for name in ("raw", "true")]
    assert all(size is not None and size.interval is not None for size in sizes)
    raw, true = (size.value for size in sizes if size is not None)
    assert true < 0.2 < raw
    assert card.find("constant", "site_bias_size") is None  # nothing varies, so no bias is known
