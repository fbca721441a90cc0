"""Longitudinal ComBat: equal to R's longCombat, and what it does to real travelling subjects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from harmonize_kit.combat.design import learn_design
from harmonize_kit.combat.effects import SiteEffects
from harmonize_kit.combat.empirical_bayes import estimate_priors, shrink_parametric
from harmonize_kit.combat.longitudinal import SubjectModel, estimate_longitudinal_effects
from harmonize_kit.errors import DesignError

Array = NDArray[np.float64]
Codes = NDArray[np.int_]
FIGURES = Path(__file__).parent.parent / "oracle" / "combat"


def _codes(column: pd.Series[str]) -> Codes:
    return np.unique(column.to_numpy(dtype=str), return_inverse=True)[1]


def _harmonized(
    values: Array, codes: Codes, covariates: Array, subjects: Codes
) -> tuple[Array, SiteEffects, SubjectModel]:
    """Estimate, shrink and write back, as the module says."""
    mean_only = np.zeros(codes.max() + 1, dtype=np.bool_)
    effects, model = estimate_longitudinal_effects(
        values, codes, covariates, subjects, mean_only=mean_only
    )
    location, scale = effects.location.copy(), effects.scale.copy()
    varying = ~effects.constant
    g, d = location[:, varying], scale[:, varying]
    location[:, varying], scale[:, varying] = shrink_parametric(
        g, d, effects.squares[:, varying], effects.counts, estimate_priors(g, d)
    )
    standard = effects.standard
    own = model.predict(values, standard, codes, covariates, subjects)
    mean = standard.grand_mean + covariates @ standard.coefficients + own
    shift = location[codes] * standard.pooled_sd
    return (values - mean - shift) / np.sqrt(scale)[codes] + mean, effects, model


@pytest.fixture(scope="module")
def visits() -> tuple[pd.DataFrame, Array, Array]:
    """Forty subjects at three times each, many of them at two or three sites."""
    frame = pd.read_csv(FIGURES / "long_input.csv")
    expected = pd.read_csv(FIGURES / "longcombat_R.csv")
    names = [name for name in frame.columns if name.startswith("f0")]
    pd.testing.assert_frame_equal(frame[["ID", "time"]], expected[["ID", "time"]])
    return frame, frame[names].to_numpy(), expected[[f"{one}.combat" for one in names]].to_numpy()


def test_equals_longcombat(visits: tuple[pd.DataFrame, Array, Array]) -> None:
    """1e-4 of a residual SD; lme4 stops some 1e-8 before the maximum, shrinkage at 1e-4."""
    frame, values, expected = visits
    codes, subjects = _codes(frame["SITE"]), _codes(frame["ID"])
    covariates = learn_design(frame, "age + sex * time").matrix(frame)
    got, effects, _ = _harmonized(values, codes, covariates, subjects)
    assert (np.abs(got - expected) / effects.standard.pooled_sd).max() < 5e-6


def test_other_choices_are_not_equal_to_longcombat(
    visits: tuple[pd.DataFrame, Array, Array],
) -> None:
    """The bar above can fail: subjects mixed up, or a covariate less, miss it by far."""
    frame, values, expected = visits
    codes, subjects = _codes(frame["SITE"]), _codes(frame["ID"])
    covariates = learn_design(frame, "age + sex * time").matrix(frame)
    fewer = learn_design(frame, "age + sex").matrix(frame)
    for design, who in (
        (covariates, np.random.default_rng(0).permutation(subjects)),
        (fewer, subjects),
    ):
        got, effects, _ = _harmonized(values, codes, design, who)
        assert (np.abs(got - expected) / effects.standard.pooled_sd).max() > 0.05


def test_a_subject_is_served_alone_as_among_all(
    visits: tuple[pd.DataFrame, Array, Array],
) -> None:
    frame, values, _ = visits
    codes, subjects = _codes(frame["SITE"]), _codes(frame["ID"])
    covariates = learn_design(frame, "age").matrix(frame)
    _, effects, model = _harmonized(values, codes, covariates, subjects)
    whole = model.predict(values, effects.standard, codes, covariates, subjects)
    for subject in range(5):
        own = subjects == subject
        alone = model.predict(
            values[own], effects.standard, codes[own], covariates[own], subjects[own] * 0
        )
        np.testing.assert_allclose(alone, whole[own], rtol=1e-12)


def test_site_effects_sum_to_zero_or_to_the_reference(
    visits: tuple[pd.DataFrame, Array, Array],
) -> None:
    frame, values, _ = visits
    codes, subjects = _codes(frame["SITE"]), _codes(frame["ID"])
    covariates = learn_design(frame, "age").matrix(frame)
    all_sites = np.zeros(4, dtype=np.bool_)
    _, model = estimate_longitudinal_effects(
        values, codes, covariates, subjects, mean_only=all_sites
    )
    np.testing.assert_allclose(np.bincount(codes) @ model.site_effects, 0, atol=1e-9)
    _, model = estimate_longitudinal_effects(
        values, codes, covariates, subjects, reference=2, mean_only=all_sites
    )
    np.testing.assert_array_equal(model.site_effects[2], 0)


def test_a_feature_fixed_within_subjects_is_passed_through(
    visits: tuple[pd.DataFrame, Array, Array],
) -> None:
    frame, values, _ = visits
    codes, subjects = _codes(frame["SITE"]), _codes(frame["ID"])
    values = values.copy()
    values[:, 3] = np.random.default_rng(0).normal(size=40)[subjects]
    _, effects, model = _harmonized(values, codes, np.zeros((120, 0)), subjects)
    np.testing.assert_array_equal(np.flatnonzero(effects.constant), [3])
    assert model.ratio[3] == 0
    np.testing.assert_array_equal(effects.location[:, 3], 0)
    np.testing.assert_array_equal(effects.scale[:, 3], 1)


def test_one_visit_each_is_refused(visits: tuple[pd.DataFrame, Array, Array]) -> None:
    frame, values, _ = visits
    with pytest.raises(DesignError, match="two or more rows"):
        _harmonized(values, _codes(frame["SITE"]), np.zeros((120, 0)), np.arange(120))


def test_travelling_subjects_differ_less_between_scanners(real_data: Path) -> None:
    """Four people on six scanners: scanners explain less, people stay as far apart."""
    path = real_data / "tables" / "hawco_travelling_antspymm_t1.csv.gz"
    if not path.exists():
        pytest.skip(f"no {path.name}")
    frame = pd.read_csv(path)
    volumes = frame[[name for name in frame.columns if name.startswith("T1Hier_vol_")]]
    values = volumes.to_numpy(dtype=np.float64)
    values = values[:, values.std(axis=0) > 0]
    codes, subjects = _codes(frame["scanner"]), _codes(frame["subjectID"])
    got, _, _ = _harmonized(values, codes, np.zeros((len(values), 0)), subjects)

    def spread(of: Array, by: Codes) -> float:
        """Return the median share of variance between groups."""
        means = np.stack([of[by == one].mean(axis=0) for one in range(by.max() + 1)])[by]
        return float(np.median(((means - of.mean(axis=0)) ** 2).mean(axis=0) / of.var(axis=0)))

    def about(of: Array) -> Array:
        means = np.stack([of[subjects == one].mean(axis=0) for one in range(subjects.max() + 1)])
        return of - means[subjects]

    assert spread(about(got), codes) < 0.6 * spread(about(values), codes)
    assert spread(got, subjects) >= spread(values, subjects)
