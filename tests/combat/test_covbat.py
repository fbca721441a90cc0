"""CovBat: equal to ComBatFamily's covfam, and its laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from harmonize_kit.combat import ComBatHarmonizer
from harmonize_kit.combat.covbat import fit_scores
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, DesignError

Array = NDArray[np.float64]
FIGURES = Path(__file__).parent.parent / "oracle" / "combat"


def _residuals(seed: int = 0, n: int = 90, p: int = 20) -> tuple[Array, NDArray[np.int_]]:
    """Three sites of one location and scale, whose features go together in different ways."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 3
    shared = rng.normal(size=(3, p, 4)) * 1.5
    factors = rng.normal(size=(n, 4)) * np.array([0.6, 1.0, 1.8])[codes][:, None]
    values = np.einsum("npf,nf->np", shared[codes], factors) + rng.normal(size=(n, p))
    for site in range(3):
        values[codes == site] -= values[codes == site].mean(axis=0)
    return values, codes


def test_equals_covfam() -> None:
    features = pd.read_csv(FIGURES / "data.csv", index_col="id")
    covariates = pd.read_csv(FIGURES / "covars.csv", index_col="id")
    table = FeatureTable.join(features, covariates)
    expected = pd.read_csv(FIGURES / "covfam_lm.csv", index_col="id").loc[table.ids, table.names]
    fitted = ComBatHarmonizer(ComBatConfig(site="SITE", preserve="age + sex + dx")).fit(table)
    harmonized = fitted.apply(table).values
    codes = fitted.site_codes(table.covariates, "table")
    mean = fitted.grand_mean + fitted.design.matrix(table.covariates) @ fitted.coefficients
    scores = fit_scores(harmonized - mean, codes, 4)
    assert scores.rotation.shape == (60, 46)
    got = harmonized + scores.change(harmonized - mean, codes)
    assert np.abs(got - expected.to_numpy()).max() < 1e-10
    assert np.abs(harmonized - expected.to_numpy()).max() > 1
    one = codes == 3
    alone = scores.change((harmonized - mean)[one][:1], codes[one][:1])
    np.testing.assert_allclose(alone, (got - harmonized)[one][:1], atol=1e-12)


@pytest.mark.parametrize("p", [20, 200])
def test_sites_agree_in_the_corrected_components(p: int) -> None:
    values, codes = _residuals(p=p)
    scores = fit_scores(values, codes, 3, components=6)
    changed = values + scores.change(values, codes)
    rotated = (changed - scores.centre) / scores.spread @ scores.rotation
    spreads = [rotated[codes == site].std(axis=0, ddof=1) for site in range(3)]
    for site in range(3):
        np.testing.assert_allclose(rotated[codes == site].mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(spreads[site], spreads[0], rtol=1e-9)
    before = (values - scores.centre) / scores.spread @ scores.rotation
    assert before[codes == 2].std(axis=0).max() > 1.5 * before[codes == 0].std(axis=0).max()


@pytest.mark.parametrize("p", [20, 200])
def test_components_are_those_of_a_singular_value_decomposition(p: int) -> None:
    values, codes = _residuals(p=p)
    scores = fit_scores(values, codes, 3, share=0.8)
    scaled = (values - scores.centre) / scores.spread
    singular, loadings = np.linalg.svd(scaled, full_matrices=False)[1:]
    explained = np.cumsum(singular**2) / (singular**2).sum()
    m = scores.rotation.shape[1]
    assert explained[m - 1] > 0.8 >= explained[m - 2]
    cosines = np.abs(np.einsum("mp,pm->m", loadings[:m], scores.rotation))
    np.testing.assert_allclose(cosines, 1, atol=1e-9)
    largest = np.abs(scores.rotation).argmax(axis=0)
    assert (scores.rotation[largest, np.arange(m)] > 0).all()


@pytest.mark.parametrize("p", [20, 200])
def test_order_of_rows_and_features_does_not_matter(p: int) -> None:
    values, codes = _residuals(p=p)
    whole = fit_scores(values, codes, 3).change(values, codes)
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(len(values)), rng.permutation(p)
    turned = values[rows][:, columns]
    got = fit_scores(turned, codes[rows], 3).change(turned, codes[rows])
    np.testing.assert_allclose(got, whole[rows][:, columns], atol=1e-9)


def test_units_do_not_matter() -> None:
    values, codes = _residuals()
    unit = 10.0 ** np.random.default_rng(2).integers(-6, 7, values.shape[1])
    whole = fit_scores(values, codes, 3).change(values, codes)
    got = fit_scores(values * unit, codes, 3).change(values * unit, codes) / unit
    np.testing.assert_allclose(got, whole, atol=1e-9)


def test_a_reference_site_stays_and_the_others_come_to_it() -> None:
    values, codes = _residuals()
    scores = fit_scores(values, codes, 3, components=5, reference=1)
    change = scores.change(values, codes)
    np.testing.assert_array_equal(change[codes == 1], 0)
    rotated = (values + change - scores.centre) / scores.spread @ scores.rotation
    own = rotated[codes == 1]
    for site in (0, 2):
        np.testing.assert_allclose(rotated[codes == site].mean(axis=0), own.mean(axis=0), atol=1e-9)
        # As in ComBat the pooled variance divides by n, that of a site by n - 1.
        np.testing.assert_allclose(
            rotated[codes == site].std(axis=0, ddof=1), own.std(axis=0), rtol=1e-9
        )


def test_constant_features_and_sites_of_one_case_are_left_alone() -> None:
    values, codes = _residuals()
    values[:, 7] = 0.0
    codes = codes.copy()
    codes[-1] = 3
    scores = fit_scores(values, codes, 4)
    change = scores.change(values, codes)
    np.testing.assert_array_equal(change[:, 7], 0)
    np.testing.assert_array_equal(change[-1], 0)
    assert np.abs(change[:-1]).max() > 0.1
    np.testing.assert_array_equal(scores.location[3], scores.target)


def test_mean_only_moves_each_site_as_one() -> None:
    values, codes = _residuals()
    values[codes == 2] += 0.3
    change = fit_scores(values, codes, 3, mean_only=True).change(values, codes)
    for site in range(3):
        own = change[codes == site]
        np.testing.assert_allclose(own, np.broadcast_to(own[:1], own.shape), atol=1e-12)


def test_a_missing_cell_does_not_spread() -> None:
    values, codes = _residuals()
    scores = fit_scores(values, codes, 3)
    holed = values.copy()
    holed[4, 2] = np.nan
    change = scores.change(holed, codes)
    assert np.isfinite(change).all()
    others = np.arange(len(values)) != 4
    np.testing.assert_array_equal(change[others], scores.change(values, codes)[others])


def test_refusals() -> None:
    values, codes = _residuals()
    with pytest.raises(ConfigError, match="share of variance"):
        fit_scores(values, codes, 3, share=95)
    with pytest.raises(ConfigError, match="expected 1 to 20 principal components"):
        fit_scores(values, codes, 3, components=21)
    with pytest.raises(DesignError, match="vary"):
        fit_scores(np.zeros((90, 4)), codes, 3)
