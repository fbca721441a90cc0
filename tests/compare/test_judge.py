"""The comparison as a whole: known truth, honest refits, laws of invariance, and refusals."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harmonize_kit.compare import compare
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.harmonizer import IdentityHarmonizer
from harmonize_kit.core.scorecard import Null, Score, Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import CovariateError, DesignError, HarmonizeError, TableError

LINEAR, NONLINEAR = "site_balanced_accuracy_linear", "site_balanced_accuracy_nonlinear"
ETA, SIGNIFICANT = "site_partial_eta_squared_median", "site_significant_fraction"
REFITTED_CONTROLS = {
    "control_unneeded_change",
    "control_planted_removed",
    "control_marker_kept",
    "control_leak_r2",
    "control_leak_auc",
}
BIOLOGY = ["age", "sex"]
Pair = tuple[FeatureTable, FeatureTable]
MakeTable = Callable[..., FeatureTable]


def score(card: Scorecard, candidate: str, metric: str, target: str | None = None) -> Score:
    found = card.find(candidate, metric, target)
    assert found is not None, f"{candidate} has no {metric}"
    return found


def null(found: Score) -> Null:
    assert found.null is not None
    return found.null


@pytest.fixture
def card(planted: Pair, quick: CompareConfig) -> Scorecard:
    shifted, clean = planted
    return compare(
        {"raw": shifted, "clean": clean}, site="site", biology=BIOLOGY, outcome="sex", config=quick
    )


def test_planted_shift_is_found_and_its_exact_inverse_is_at_the_null(card: Scorecard):
    for metric in (LINEAR, NONLINEAR, ETA, SIGNIFICANT):
        raw, clean = score(card, "raw", metric), score(card, "clean", metric)
        assert raw.family == "site"
        assert not raw.higher_is_better
        assert raw.value > null(raw).high + 0.1
        assert null(raw).p == pytest.approx(1 / 40)
        assert null(clean).low <= clean.value <= null(clean).high
        assert null(clean).p > 0.05
    assert "chance is 1/3" in score(card, "clean", LINEAR).note


def test_biology_is_kept_alike_when_the_site_is_only_shifted(card: Scorecard):
    for covariate in BIOLOGY:
        raw = card.features["raw"][f"{covariate}_effect"]
        np.testing.assert_allclose(raw, card.features["clean"][f"{covariate}_effect"], rtol=1e-9)
        assert score(card, "clean", "association_median", covariate).value > 0.05
    effects = card.features["clean"]["age_effect"].abs()
    assert effects.iloc[::2].min() > effects.iloc[1::2].max()  # planted in every other feature
    r2 = score(card, "clean", "r2", "age")
    assert r2.value > max(0.7, null(r2).high)
    assert score(card, "clean", "auc", "sex").value > 0.9
    assert not score(card, "clean", "mae", "age").higher_is_better


def test_scorecard_can_be_written_and_names_its_making(card: Scorecard):
    about: dict[str, Any] = json.loads(json.dumps(dict(card.about)))
    json.dumps(card.to_records(), allow_nan=False)
    assert about["sites"] == {"s0": 40, "s1": 40, "s2": 40}
    assert [covariate["kind"] for covariate in about["biology"]] == ["numeric", "binary"]
    assert about["candidates"] == {"raw": "table", "clean": "table"}
    assert (about["n_cases"], about["n_features"], about["folds"]) == (120, 24, 5)
    assert 0 < about["explained_variance"][1] <= about["explained_variance"][0] < 1
    keys = [(s.candidate, s.metric, s.target) for s in card]
    assert len(set(keys)) == len(keys)  # sex is both biology and outcome, and is predicted once


def test_embeddings_share_the_axes_of_the_first(planted: Pair, quick: CompareConfig):
    shifted, _ = planted
    moved = shifted.with_values(shifted.values + shifted.values.std(axis=0))
    found = compare({"raw": shifted, "moved": moved}, site="site", config=quick).embeddings
    coordinates = found["raw"][["pc1", "pc2"]].to_numpy()
    np.testing.assert_allclose(coordinates.mean(axis=0), 0, atol=1e-9)
    assert np.var(coordinates[:, 0]) >= np.var(coordinates[:, 1])
    # On its own axes the moved table would be centred; on shared ones it is seen to have moved.
    difference = found["moved"][["pc1", "pc2"]].to_numpy() - coordinates
    np.testing.assert_allclose(difference, difference[[0]].repeat(120, axis=0), atol=1e-9)
    assert np.abs(difference[0]).max() > 0.1
    assert list(found["raw"].index) == shifted.ids
    assert list(found["raw"]["site"]) == list(shifted.text("site"))


def test_same_seed_same_scorecard_other_seed_other_draws(planted: Pair, quick: CompareConfig):
    tables = {"raw": planted[0]}
    first, again = (compare(tables, site="site", biology=BIOLOGY, config=quick) for _ in range(2))
    assert first.scores == again.scores
    reseeded = quick.model_copy(update={"seed": 1})
    other = compare(tables, site="site", biology=BIOLOGY, config=reseeded)
    assert null(score(other, "raw", ETA)) != null(score(first, "raw", ETA))
    assert score(other, "raw", ETA).value == score(first, "raw", ETA).value


def test_other_candidates_change_nothing(planted: Pair, quick: CompareConfig, card: Scorecard):
    alone = compare({"raw": planted[0]}, site="site", biology=BIOLOGY, outcome="sex", config=quick)
    assert alone.scores == tuple(s for s in card if s.candidate == "raw")


def test_order_of_rows_and_features_does_not_matter(
    planted: Pair, quick: CompareConfig, card: Scorecard
):
    rng = np.random.default_rng(0)
    shifted, clean = planted
    rows, columns = rng.permutation(120), rng.permutation(24)
    shuffled = FeatureTable(shifted.features.iloc[rows, columns], shifted.covariates.iloc[rows])
    other = compare(
        {"raw": shuffled, "clean": clean}, site="site", biology=BIOLOGY, outcome="sex", config=quick
    )
    assert other.scores == card.scores
    assert list(other.features["clean"].index) == shuffled.names
    assert list(other.embeddings["clean"].index) == shuffled.ids
    pd.testing.assert_frame_equal(
        other.features["raw"].loc[shifted.names], card.features["raw"], check_exact=True
    )


def test_units_of_features_do_not_matter(planted: Pair, quick: CompareConfig, card: Scorecard):
    rng = np.random.default_rng(0)
    shifted, clean = planted
    scale, offset = 10 ** rng.uniform(-6, 6, 24), rng.normal(size=24)
    other = compare(
        {"raw": shifted.with_values((shifted.values + offset) * scale), "clean": clean},
        site="site",
        biology=BIOLOGY,
        outcome="sex",
        config=quick,
    )
    for found, expected in zip(other, card, strict=True):
        assert found.value == pytest.approx(expected.value, rel=1e-7)
        if expected.null is not None:
            assert null(found).p == expected.null.p


def test_harmonizer_never_sees_the_held_out_cases(
    planted: Pair, quick: CompareConfig, centre_sites: Any
):
    raw = planted[0]
    card = compare(
        {"raw": raw, "centred": centre_sites}, site="site", biology=BIOLOGY, table=raw, config=quick
    )
    whole, *folds = centre_sites.seen[:6]
    assert sorted(whole) == sorted(raw.ids)
    assert all(sorted(control) == sorted(raw.ids) for control in centre_sites.seen[6:])
    held_out = [sorted(set(raw.ids) - set(fold)) for fold in folds]
    assert all(len(cases) == 24 for cases in held_out)
    assert sorted(name for cases in held_out for name in cases) == sorted(raw.ids)
    assert card.about["candidates"]["centred"] == "harmonizer refitted in each fold"
    assert "refitted" in score(card, "centred", LINEAR).note
    assert "fit to the whole table" in score(card, "centred", ETA).note
    assert "upper bound" in score(card, "centred", "r2", "age").note
    assert "upper bound" not in score(card, "raw", "r2", "age").note


def test_held_out_values_come_from_the_training_fit_alone(planted: Pair, quick: CompareConfig):
    """A harmonizer that returns the size of its training set betrays which fit was used."""
    sizes: set[int] = set()

    class Counting(IdentityHarmonizer):
        def fit(self, table: FeatureTable) -> IdentityHarmonizer:
            sizes.add(len(table.ids))
            return self

    raw = planted[0]
    compare({"counting": Counting()}, site="site", table=raw, config=quick)
    assert sizes == {120, 96}


def test_refitting_in_folds_avoids_the_fall_below_chance(
    table_of: MakeTable, centre_sites: Any, quick: CompareConfig
):
    rng = np.random.default_rng(4)
    site = np.arange(60) % 2
    raw = table_of(rng.normal(size=(60, 25)) + site[:, None], site)
    whole = centre_sites.fit(raw).apply(raw)
    card = compare(
        {"raw": raw, "whole": whole, "refit": centre_sites}, site="site", table=raw, config=quick
    )
    assert score(card, "raw", LINEAR).value > 0.9
    over = score(card, "whole", LINEAR)
    assert over.value < null(over).low
    assert "not better than chance" in over.note
    refit = score(card, "refit", LINEAR)
    assert null(refit).low <= refit.value <= null(refit).high
    assert "not better than chance" not in refit.note
    # On the cases it was fitted to, site explains nothing, which is less than chance explains.
    assert score(card, "refit", ETA).value == pytest.approx(0, abs=1e-12)
    assert "not better than chance" in score(card, "refit", ETA).note


def test_identity_harmonizer_scores_as_its_table(planted: Pair, quick: CompareConfig):
    raw = planted[0]
    card = compare(
        {"raw": raw, "identity": IdentityHarmonizer()},
        site="site",
        biology=BIOLOGY,
        table=raw,
        config=quick,
    )
    table, identity = (
        [
            (s.metric, s.value, s.null)
            for s in card
            if s.candidate == name and s.metric not in REFITTED_CONTROLS
        ]
        for name in ("raw", "identity")
    )
    assert table == identity


def test_a_destroyed_table_earns_no_site_score_and_no_biology(
    planted: Pair, quick: CompareConfig, set_constant: Callable[..., Any]
):
    raw = planted[0]
    card = compare(
        {"raw": raw, "destroyed": set_constant()},
        site="site",
        biology=BIOLOGY,
        table=raw,
        config=quick,
    )
    assert card.about["n_features"] == 24  # one destroyed candidate spares no other
    site_scores = [s for s in card if s.candidate == "destroyed" and s.family == "site"]
    assert {s.metric for s in site_scores} <= REFITTED_CONTROLS
    for covariate in BIOLOGY:
        assert score(card, "destroyed", "association_median", covariate).value == 0
    assert score(card, "destroyed", "auc", "sex").value == 0.5
    assert score(card, "destroyed", "r2", "age").value <= 0
    assert "nothing left" in score(card, "destroyed", "r2", "age").note
    assert any("'destroyed'" in warning for warning in card.about["warnings"])
    assert card.features["destroyed"].isna().all(axis=None)
    assert (card.embeddings["destroyed"][["pc1", "pc2"]].std() < 1e-9).all()


def test_destroying_some_features_costs_biology_and_wins_no_site_score(
    planted: Pair, quick: CompareConfig, set_constant: Callable[..., Any]
):
    raw = planted[0]
    kept = FeatureTable(raw.features.iloc[:, 10:], raw.covariates)
    card = compare(
        {"raw": raw, "half": set_constant(10)},
        site="site",
        biology=["age"],
        table=raw,
        config=quick,
    )
    alone = compare({"kept": kept}, site="site", biology=["age"], config=quick)
    assert score(card, "half", ETA).value == pytest.approx(score(alone, "kept", ETA).value)
    raw_share = score(card, "raw", "association_significant_fraction", "age").value
    assert score(card, "half", "association_significant_fraction", "age").value < raw_share
    assert "10 of 24 features are constant" in score(card, "half", ETA).note
    assert card.about["constant_features"] == {"half": sorted(raw.names[:10])}


def test_features_that_cannot_be_judged_are_named(planted: Pair, quick: CompareConfig):
    raw, clean = planted
    features = clean.features.drop(columns="f5")
    features.loc["c007", "f1"] = np.nan
    constant = [
        replace(t, features=t.features.assign(f2=0.1))
        for t in (raw, replace(clean, features=features))
    ]
    card = compare(dict(zip(["raw", "clean"], constant, strict=True)), site="site", config=quick)
    assert card.about["left_out_features"] == {
        "f5": "absent from 'clean'",
        "f1": "missing in 1 cases of 'clean'",
        "f2": "constant",
    }
    assert card.about["n_features"] == 21
    assert not {"f1", "f2", "f5"} & set(card.features["raw"].index)


def test_small_sites_stay_in_the_figures_but_not_in_the_folds(
    table_of: MakeTable, quick: CompareConfig, centre_sites: Any
):
    rng = np.random.default_rng(0)
    site = np.array([0] * 20 + [1] * 20 + [2] * 3)
    raw = table_of(rng.normal(size=(43, 6)) + 2 * site[:, None], site, {"age": rng.normal(size=43)})
    card = compare(
        {"raw": raw, "centred": centre_sites}, site="site", biology=["age"], table=raw, config=quick
    )
    assert card.about["left_out_sites"] == ["s2"]
    assert "s2 (3)" in score(card, "raw", LINEAR).note
    assert "1/2" in score(card, "raw", LINEAR).note
    assert any("s2 (3)" in warning for warning in card.about["warnings"])
    assert len(card.embeddings["raw"]) == 43
    assert [len(seen) for seen in centre_sites.seen[:6]] == [43, 32, 32, 32, 32, 32]


def test_without_large_sites_only_whole_table_scores_are_made(
    table_of: MakeTable, quick: CompareConfig
):
    rng = np.random.default_rng(0)
    site = np.arange(12) % 3
    raw = table_of(rng.normal(size=(12, 5)), site, {"age": rng.normal(size=12)})
    card = compare({"raw": raw}, site="site", biology=["age"], config=quick)
    made = {s.metric for s in card}
    assert {ETA, "association_median", "effect_concordance", "rank_preservation"} <= made
    held_out = {LINEAR, NONLINEAR, "r2", "mae", "auc", "new_site_r2", "new_site_mae"}
    assert not made & held_out
    assert any("fewer than two sites" in warning for warning in card.about["warnings"])


def test_subjects_with_repeats_do_not_betray_their_site(table_of: MakeTable, quick: CompareConfig):
    """Ungrouped folds would find each subject's own anatomy in both training and test."""
    rng = np.random.default_rng(6)
    subject = np.repeat(np.arange(24), 4)
    values = rng.normal(size=(24, 15))[subject] + 0.1 * rng.normal(size=(96, 15))
    raw = table_of(values, subject % 2, {"id2": [f"u{code}" for code in subject]})
    grouped = compare({"raw": raw}, site="site", subject="id2", config=quick)
    ungrouped = compare({"raw": raw}, site="site", config=quick)
    assert score(ungrouped, "raw", LINEAR).value > 0.7
    assert null(score(ungrouped, "raw", LINEAR)).p < 0.05
    assert null(score(grouped, "raw", LINEAR)).p > 0.05
    assert null(score(grouped, "raw", ETA)).mean > 2 * null(score(ungrouped, "raw", ETA)).mean
    assert any("several cases" in warning for warning in grouped.about["warnings"])


def test_confounded_covariate_is_named(table_of: MakeTable, quick: CompareConfig):
    rng = np.random.default_rng(0)
    site = np.arange(60) % 3
    raw = table_of(rng.normal(size=(60, 5)), site, {"age": 10 * site + rng.normal(size=60)})
    card = compare({"raw": raw}, site="site", biology=["age"], config=quick)
    assert any("'age' is confounded" in warning for warning in card.about["warnings"])


def test_p_values_are_uniform_without_an_effect(table_of: MakeTable):
    config = CompareConfig(permutations=19, bootstraps=0)
    p: dict[str, list[float]] = {}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        site = np.arange(48) % 3
        age = rng.normal(size=48) + 0.5 * site
        values = rng.normal(size=(48, 12)) @ rng.normal(size=(12, 12)) + age[:, None]
        raw = table_of(values, site, {"age": age, "noise": rng.normal(size=48)})
        card = compare({"raw": raw}, site="site", biology=["age"], outcome="noise", config=config)
        for metric, target in ((LINEAR, None), (NONLINEAR, None), (ETA, None), ("r2", "noise")):
            p.setdefault(metric, []).append(null(score(card, "raw", metric, target)).p)
    for metric, drawn in p.items():
        assert stats.kstest(drawn, "uniform").pvalue > 0.005, metric
        assert np.mean(np.array(drawn) <= 0.1) < 0.3, metric


def _without(table: FeatureTable, case: str) -> FeatureTable:
    return table.select([name for name in table.ids if name != case])


def _with(table: FeatureTable, **columns: object) -> FeatureTable:
    return replace(table, covariates=table.covariates.assign(**columns))  # pyright: ignore


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda t: {"candidates": {}}, TableError, "at least one candidate"),
        (lambda t: {"site": "scanner"}, CovariateError, "scanner"),
        (lambda t: {"site": "sit"}, CovariateError, "Did you mean 'site'"),
        (lambda t: {"biology": ["agee"]}, CovariateError, "Did you mean 'age'"),
        (lambda t: {"biology": ["age", "site"]}, DesignError, "biology.*'site'"),
        (lambda t: {"outcome": "site"}, DesignError, "outcome.*'site'"),
        (
            lambda t: {"candidates": {"raw": _with(t, site="one")}},
            DesignError,
            "at least two sites.*'one'",
        ),
        (
            lambda t: {
                "candidates": {"raw": _with(t, vendor=t.covariates["site"].replace("s2", "s1"))},
                "biology": ["age", "vendor"],
            },
            DesignError,
            "'vendor' is determined by site",
        ),
        (
            lambda t: {
                "candidates": {"raw": _with(t, months=t.covariates["age"] * 12)},
                "biology": ["age", "months"],
            },
            DesignError,
            "'months'.*'age'",
        ),
        (
            lambda t: {
                "candidates": {"raw": t.select(t.ids[:5])},
                "biology": ["age", "sex"],
            },
            DesignError,
            "5 cases and 5 parameters",
        ),
        (
            lambda t: {"candidates": {"raw": t, "less": _without(t, "c003")}},
            TableError,
            "'less'.*'c003'",
        ),
        (
            lambda t: {"candidates": {"less": _without(t, "c003"), "raw": t}},
            TableError,
            "'raw'.*'c003'",
        ),
        (
            lambda t: {"candidates": {"identity": IdentityHarmonizer()}},
            TableError,
            "'identity'.*table=",
        ),
        (lambda t: {"candidates": {"raw": t, "frame": t.features}, "table": t}, TableError, "join"),
        (
            lambda t: {"candidates": {"raw": t.with_values(np.ones((120, 24)))}},
            TableError,
            "'f0' constant",
        ),
        (lambda t: {"biology": ["age"], "subject": "nobody"}, CovariateError, "nobody"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    planted: Pair,
    quick: CompareConfig,
    arguments: Callable[[FeatureTable], dict[str, Any]],
    error: type[HarmonizeError],
    message: str,
):
    given: dict[str, Any] = {
        "candidates": {"raw": planted[0]},
        "site": "site",
        **arguments(planted[0]),
    }
    with pytest.raises(error, match=message):
        compare(given.pop("candidates"), **given, config=quick)


def test_a_harmonizer_that_fails_in_a_fold_is_named(planted: Pair, quick: CompareConfig):
    class Fussy(IdentityHarmonizer):
        def fit(self, table: FeatureTable) -> IdentityHarmonizer:
            if len(table.ids) < 120:
                raise DesignError("too few cases")
            return self

    class Leaky(IdentityHarmonizer):
        def apply(self, table: FeatureTable) -> FeatureTable:
            values = table.values.copy()
            values[0, 0] = np.nan
            return table.with_values(values)

    raw = planted[0]
    with pytest.raises(DesignError, match="too few cases") as caught:
        compare({"fussy": Fussy()}, site="site", table=raw, config=quick)
    assert "'fussy' for fold 1 of 5" in " ".join(caught.value.__notes__)
    card = compare({"leaky": Leaky()}, site="site", table=raw, config=quick)
    assert card.about["left_out_features"] == {"f0": "missing in 1 cases of 'leaky'"}


def test_brain_thickness_of_23_sites(quick: CompareConfig):
    """1000 Functional Connectomes: sites are plain to see, and age is kept within them."""
    folder = os.environ.get("HARMONIZE_KIT_DATA")
    root = Path(folder) if folder else Path(__file__).parents[3] / "shared" / "data"
    file = root / "tables" / "fcon1000_fs_thickness.csv.gz"
    if not file.exists():
        pytest.skip(f"{file} is not here; see HARMONIZE_KIT_DATA")
    frame = pd.read_csv(file, dtype={"sub_id": str}).set_index("sub_id")
    frame.index = frame.index.astype(object)
    thickness = [name for name in frame if str(name).endswith("_thickness")][::3]
    raw = FeatureTable(frame[thickness], frame[["site", "age", "sex"]])
    config = quick.model_copy(update={"permutations": 9})
    card = compare({"raw": raw}, site="site", biology=BIOLOGY, config=config)
    assert card.about["left_out_sites"] == ["Pittsburgh"]
    assert score(card, "raw", LINEAR).value > 0.6
    assert score(card, "raw", ETA).value == pytest.approx(0.27, abs=0.04)
    assert (card.features["raw"]["age_effect"] < 0).mean() > 0.9  # cortex thins with age
    assert score(card, "raw", "auc", "sex").value > 0.65
