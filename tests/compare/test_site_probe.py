"""What a probe reads off sums is what it would find in permuted cases written out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harmonize_kit.compare import site_probe as probes
from harmonize_kit.compare.discriminant import discriminants
from harmonize_kit.compare.folds import cross_validation
from harmonize_kit.compare.site_auc import log_posteriors
from harmonize_kit.compare.site_probe import SiteProbe, quadratic_size, site_probe
from harmonize_kit.compare.standardised import standardise
from harmonize_kit.config.compare import CompareConfig

RNG = np.random.default_rng(5)
SITE = RNG.permutation(np.repeat([0, 1, 2], [40, 50, 30]))
N = len(SITE)
COVARIATES = RNG.normal(size=(N, 2)) + 0.4 * SITE[:, None]
VALUES = RNG.normal(size=(N, 12)) @ RNG.normal(size=(12, 12)) + COVARIATES @ RNG.normal(
    size=(2, 12)
)
ORDERS = np.stack([np.arange(N), *(RNG.permutation(N) for _ in range(3))])
CONFIG = CompareConfig(nonlinear_components=6)


def written_out(probe: SiteProbe, order: NDArray[np.intp]) -> NDArray[np.float64]:
    """Permute the cases, take slopes out, and let both discriminants learn from all of it."""
    train, test, site = probe.fold.train, probe.fold.test, SITE[probe.fold.train]
    drawn = probe.scores[order]
    sites = (site[:, None] == np.arange(3)).astype(float)
    design = np.hstack([sites, probe.covariates[train]])
    slope = np.linalg.lstsq(design, drawn[train], rcond=None)[0][3:]
    rest = drawn - probe.covariates @ slope
    rest = rest - rest[train].mean(axis=0)
    size = quadratic_size(len(train), CONFIG.nonlinear_components)
    white = rest[:, :size] / probe.scale[:size]
    first, second = np.triu_indices(size)
    squares = np.hstack([white, white[:, first] * white[:, second]])
    found = [
        discriminants(part[None, train], site, part[None, test], CONFIG.shrinkage)[0]
        for part in (rest, squares)
    ]
    return np.stack([log_posteriors(part) for part in found])


@pytest.mark.parametrize("d", [0, 2])
@pytest.mark.parametrize(("single_from", "tolerance"), [(10**9, 1e-9), (0, 1e-3)])
def test_posteriors_from_sums_are_those_of_cases_written_out(
    monkeypatch: pytest.MonkeyPatch, d: int, single_from: int, tolerance: float
):
    monkeypatch.setattr(probes, "SINGLE_FROM", single_from)
    split = cross_validation(SITE, np.arange(N), 4, 0)
    assert split is not None
    for fold in split.folds[:2]:
        probe = site_probe(standardise(VALUES, fold), SITE, COVARIATES[:, :d], 8)
        found = probe.log_posteriors(ORDERS, CONFIG)
        for draw, order in enumerate(ORDERS):
            expected = written_out(probe, order)
            np.testing.assert_allclose(found[:, draw], expected, atol=tolerance, rtol=tolerance)


def test_a_certain_case_keeps_its_place_among_the_certain():
    scores = log_posteriors(np.array([[0.0, 60.0], [0.0, 70.0], [0.0, -50.0]]))
    assert 0 > scores[1, 1] > scores[0, 1] > -1e-20
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1)


@pytest.mark.parametrize("p", [12, 150])  # 150: more than the training cases
@pytest.mark.parametrize("d", [0, 2])
def test_scores_are_components_of_what_covariates_and_slopes_within_sites_leave(p: int, d: int):
    values = RNG.normal(size=(N, p)) * np.linspace(1, 2, p) + COVARIATES[:, :1] + SITE[:, None]
    values = values @ RNG.normal(size=(p, p))
    values[:, 3] = 5.0
    split = cross_validation(SITE, np.arange(N), 4, 0)
    assert split is not None
    fold, known = split.folds[0], COVARIATES[:, :d]
    probe = site_probe(standardise(values, fold), SITE, known, 6)
    train = fold.train
    spread = values[train].std(axis=0)
    standard = (values - values[train].mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    every = np.column_stack([np.ones(N), known])
    residual = standard - every @ np.linalg.lstsq(every, standard, rcond=None)[0]
    design = np.hstack([(SITE[train][:, None] == np.arange(3)).astype(float), known[train]])
    slope = np.linalg.lstsq(design, residual[train], rcond=None)[0][3:]
    adjusted = residual[train] - known[train] @ slope
    adjusted = adjusted - adjusted.mean(axis=0)
    axes = np.linalg.svd(adjusted, full_matrices=False)[2][:6].T
    np.testing.assert_allclose(np.abs(probe.scores), np.abs(residual @ axes), atol=1e-7)
    spread = np.std(adjusted @ axes, axis=0, ddof=1)
    np.testing.assert_allclose(probe.scale, spread, rtol=1e-9)
