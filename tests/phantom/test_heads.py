"""Heads: reproducible one by one, with biology planted where it is said to be."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from harmonize_kit.config.load import validate_config
from harmonize_kit.config.phantom import HeadPhantomConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ConfigError
from harmonize_kit.phantom import (
    GREY_MATTER_LABEL,
    LESION_LABEL,
    draw_person,
    load_anatomy,
    make_head,
    simulate_head,
    simulate_heads,
)

CONFIG = HeadPhantomConfig()


def head_of(spacing: float = 3.0, seed: int = 4, **changes):
    """Return one and the same head but for what is changed in its person."""
    person = replace(draw_person(CONFIG, 0, 0), age=40.0, sex="F", group="low")
    return make_head(
        load_anatomy(spacing), replace(person, **changes), CONFIG, np.random.default_rng(seed)
    )


def litres(fraction: np.ndarray, spacing: float = 3.0) -> float:
    return float(fraction.sum() * spacing**3 / 1e6)


def test_a_head_is_the_same_alone_and_in_any_cohort():
    alone = simulate_head(HeadPhantomConfig(subjects=3), 11, 2)
    in_cohort = next(islice(simulate_heads(HeadPhantomConfig(subjects=90), 11), 2, None))
    assert alone.covariates == in_cohort.covariates
    np.testing.assert_array_equal(alone.volume.array, in_cohort.volume.array)
    np.testing.assert_array_equal(alone.reference.array, in_cohort.reference.array)
    other = simulate_head(HeadPhantomConfig(subjects=3), 12, 2)
    assert not np.array_equal(alone.head.mask, other.head.mask)


def test_a_case_is_whole():
    case = simulate_head(CONFIG, 3, 5)
    assert case.id == case.subject == "sub-006"
    assert case.site == "South-1.5T"
    assert float(case.covariates["age"]) == case.age
    assert set(case.covariates) == {"subject", "site", "age", "sex", "group"}
    for volume in (case.volume, case.reference):
        assert volume.mask is case.head.mask
        assert volume.array.min() > 0
    assert set(np.unique(case.head.mask)) == {0, LESION_LABEL, GREY_MATTER_LABEL}
    _, parts = ndimage.label(case.head.mask == LESION_LABEL)
    assert parts == 1


def test_at_the_reference_site_both_scans_differ_by_noise_only():
    case = simulate_head(CONFIG, 3, 0)
    assert case.site == CONFIG.reference
    inside = case.head.mask > 0
    here, there = case.volume.array[inside], case.reference.array[inside]
    assert not np.array_equal(here, there)
    assert here.mean() == pytest.approx(there.mean(), rel=0.1)
    # One gain apart, the rest is independent noise.
    rest = here / here.mean() - there / there.mean()
    assert rest.std() == pytest.approx(np.sqrt(2) / 30, rel=0.5)


def test_tissues_share_out_every_voxel():
    fractions = head_of().fractions
    total = np.sum(list(fractions.values()), axis=0)
    assert min(part.min() for part in fractions.values()) >= 0
    assert np.max(total) <= 1 + 1e-5
    assert np.all(total[fractions["lesion"] > 0.5] > 0.9)


def test_brains_differ():
    one, two = head_of(seed=1), head_of(seed=2)
    grey = [head.mask == GREY_MATTER_LABEL for head in (one, two)]
    dice = 2 * (grey[0] & grey[1]).sum() / (grey[0].sum() + grey[1].sum())
    assert 0.5 < dice < 0.9


def test_heterogeneity_is_exactly_what_was_planted():
    for group in ("low", "high"):
        head = head_of(group=group)
        inside = np.log(head.t1_factors["lesion"][head.mask == LESION_LABEL])
        assert inside.std() == pytest.approx(head.lesion.heterogeneity, rel=1e-4)
        assert inside.mean() == pytest.approx(np.log(head.lesion.t1_factor), abs=1e-4)


def test_group_changes_heterogeneity_and_nothing_else():
    low, high = head_of(group="low"), head_of(group="high")
    planted = CONFIG.heterogeneity[1] / CONFIG.heterogeneity[0]
    assert high.lesion.heterogeneity / low.lesion.heterogeneity == pytest.approx(planted)
    np.testing.assert_array_equal(low.mask, high.mask)
    np.testing.assert_array_equal(low.t1_factors["white"], high.t1_factors["white"])


def test_age_widens_fluid_thins_grey_matter_and_grows_the_lesion():
    heads = [head_of(age=age) for age in (25.0, 50.0, 75.0)]
    fluid = [litres(head.fractions["csf"]) for head in heads]
    grey = [litres(head.fractions["grey"]) for head in heads]
    lesion = [litres(head.fractions["lesion"]) for head in heads]
    assert fluid[0] < fluid[1] < fluid[2]
    assert fluid[2] - fluid[1] > 1.3 * (fluid[1] - fluid[0])  # faster with age
    assert grey[0] > grey[1] > grey[2]
    assert lesion[0] < lesion[1] < lesion[2]
    t1 = [head.lesion.t1_factor for head in heads]
    assert t1[1] - t1[0] > t1[2] - t1[1] > 0  # levels off


def test_men_have_larger_heads():
    female, male = (litres(np.stack(list(head_of(sex=sex).fractions.values()))) for sex in "FM")
    assert male / female == pytest.approx((1.015 / 0.985) ** 3, rel=0.02)


def test_the_same_head_at_another_spacing():
    coarse, fine = head_of(3.0), head_of(2.0)
    for name in coarse.fractions:
        volumes = litres(coarse.fractions[name]), litres(fine.fractions[name], 2.0)
        assert volumes[0] == pytest.approx(volumes[1], rel=0.15)
    centres = [
        ndimage.center_of_mass(head.mask == LESION_LABEL) * np.array(head.geometry.spacing)
        for head in (coarse, fine)
    ]
    np.testing.assert_allclose(centres[0], centres[1], atol=2)


def test_confounding_orders_ages_by_scanner():
    config = HeadPhantomConfig(confounding=1)
    people = [draw_person(config, 0, index) for index in range(80)]
    ages = pd.DataFrame(people).groupby("site", sort=False)["age"].agg(["min", "max"])
    assert list(ages.index) == [scanner.name for scanner in config.scanners]
    assert (ages["min"].to_numpy()[1:] >= ages["max"].to_numpy()[:-1]).all()


def test_groups_are_balanced_within_every_site():
    people = pd.DataFrame([draw_person(CONFIG, 0, index) for index in range(80)])
    assert (people.groupby(["site", "group"]).size() == 10).all()


def test_bad_settings_are_refused():
    with pytest.raises(ConfigError, match="from 0 to 79, got 80"):
        simulate_head(CONFIG, 0, 80)
    with pytest.raises(ConfigError, match="got 'patient'"):
        head_of(group="patient")
    for settings in ({"reference": "Elsewhere"}, {"scanners": []}, {"spacings": 3}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            validate_config(settings, "heads.yaml", HeadPhantomConfig)
    tiny = HeadPhantomConfig(lesion_radius_mm=(0.1, 0.2), spacing=6.0)
    with pytest.raises(ConfigError, match="at least one voxel"):
        simulate_head(tiny, 0, 0)


# The cohort as a whole: what a study or demonstration may count on.


def first_order(volume: Volume) -> dict[str, float]:
    """Return a few first-order features of the lesion by their textbook definitions."""
    inside = volume.array[volume.mask == LESION_LABEL].astype(float)
    counts = np.bincount(((inside - inside.min()) / 25).astype(int))
    share = counts[counts > 0] / inside.size
    return {
        "mean": inside.mean(),
        "sd": inside.std(),
        "p10": np.quantile(inside, 0.1),
        "p90": np.quantile(inside, 0.9),
        "entropy": -np.sum(share * np.log2(share)),
    }


@pytest.fixture(scope="module")
def cohort() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    cases = list(simulate_heads(CONFIG, 1))
    raw = pd.DataFrame([first_order(case.volume) for case in cases])
    truth = pd.DataFrame([first_order(case.reference) for case in cases])
    people = pd.DataFrame([case.covariates for case in cases]).astype({"age": float})
    return raw, truth, people


def residual(values: pd.DataFrame, *columns: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(len(values)), *columns])
    return values.to_numpy() - design @ np.linalg.lstsq(design, values.to_numpy(), rcond=None)[0]


def biology(people: pd.DataFrame) -> np.ndarray:
    return np.column_stack([people.age, people.age**2, people.sex == "M", people.group == "high"])


def test_sites_are_told_apart_by_raw_features_and_not_by_true_ones(cohort):
    raw, truth, people = cohort
    site = pd.get_dummies(people.site).to_numpy(float)[:, 1:]
    eta = {}
    for name, values in (("raw", raw), ("truth", truth)):
        without = (residual(values, biology(people)) ** 2).sum(0)
        eta[name] = 1 - (residual(values, biology(people), site) ** 2).sum(0) / without
    assert eta["raw"].min() > 0.3
    assert eta["truth"].max() < 0.2


def test_group_and_age_show_in_the_truth(cohort):
    _, truth, people = cohort
    low, high = (truth.entropy[people.group == group] for group in ("low", "high"))
    assert (high.mean() - low.mean()) / np.sqrt((low.var() + high.var()) / 2) > 0.8
    assert stats.pearsonr(people.age, truth["mean"]).statistic < -0.4


def test_location_and_scale_by_site_bring_features_nearer_to_the_truth(cohort):
    raw, truth, people = cohort
    rest = pd.DataFrame(residual(raw, biology(people)), columns=raw.columns)
    by_site = rest.groupby(people.site)
    corrected = (raw - rest) + (rest - by_site.transform("mean")) / by_site.transform("std") * (
        rest - by_site.transform("mean")
    ).std()
    near = [corrected[name].corr(truth[name]) for name in raw]
    before = [raw[name].corr(truth[name]) for name in raw]
    assert min(near) > 0.6
    assert np.mean(near) > np.mean(before) + 0.15
