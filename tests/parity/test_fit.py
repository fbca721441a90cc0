"""Our fits beside neuroHarmonize's own, on the same data in one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.combat import ComBatHarmonizer, NeuroHarmonizeHarmonizer
from harmonize_kit.config.combat import ComBatConfig, NeuroHarmonizeConfig
from harmonize_kit.core.table import FeatureTable

Quietly = Callable[..., Any]
LINEAR = ("age", "sex", "dx")


def some(table: FeatureTable, count: int) -> FeatureTable:
    return replace(table, features=table.features.iloc[:, :count])


def with_rounded(table: FeatureTable) -> FeatureTable:
    """Covariates as neuroHarmonize sees them but for a GAM: as float32."""
    rounded: Any = table.covariates[list(LINEAR)].astype(np.float32).astype(np.float64)
    return replace(table, covariates=table.covariates.assign(**rounded))


def harmonized(table: FeatureTable, **choices: Any) -> np.ndarray[Any, Any]:
    return ComBatHarmonizer(ComBatConfig(site="SITE", **choices)).fit(table).apply(table).values


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {}),
        ({"eb": False}, {"empirical_bayes": False}),
        ({"ref_batch": "A"}, {"reference": "A"}),
        ({"ref_batch": "D", "eb": False}, {"reference": "D", "empirical_bayes": False}),
    ],
)
def test_linear_fits_agree(
    theirs: dict[str, Any], ours: dict[str, Any], quietly: Quietly, oracle: FeatureTable
) -> None:
    frame = oracle.covariates[["SITE", *LINEAR]]
    _, expected = quietly("harmonizationLearn", oracle.values, frame, **theirs)
    preserve = " + ".join(LINEAR)
    got = harmonized(oracle, preserve=preserve, **ours)
    # Their covariates are float32; without shrinkage nothing evens that out.
    assert np.abs(got - expected).max() < (1e-6 if ours else 5e-7)
    same = harmonized(with_rounded(oracle), preserve=preserve, **ours)
    assert np.abs(same - expected).max() < 1e-10


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_replay_agrees(seed: int, quietly: Quietly, oracle: FeatureTable) -> None:
    table = some(oracle, 8)
    frame = table.covariates[["SITE", *LINEAR]]
    _, expected = quietly(
        "harmonizationLearn", table.values, frame, smooth_terms=["age"], seed=seed
    )
    got = harmonized(
        table, preserve="sex + dx", smooth=("age",), smoothing="neuroharmonize", seed=seed
    )
    assert np.abs(got - expected).max() < 1e-9


def awkward(kind: str) -> FeatureTable:
    """A site of three, which a fold may swallow whole; and ages with ties."""
    rng = np.random.default_rng(11)
    site = np.repeat(["A", "B", "C", "D"], [37, 30, 20, 3])
    age = rng.uniform(20, 80, 90) if kind != "ties" else rng.choice([9.0, 9, 9, 12, 15, 17, 19], 90)
    covariates = pd.DataFrame({"SITE": site, "sex": rng.integers(0, 2, 90), "age": age,
                               "bmi": rng.normal(25, 4, 90)})  # fmt: skip
    values = 10 + np.sin(age[:, None] / 9) * rng.normal(size=4) + rng.normal(size=(90, 4))
    covariates.index = pd.Index([f"s{row}" for row in range(90)])
    features = pd.DataFrame(values, index=covariates.index, columns=list("wxyz"))
    return FeatureTable(features, covariates)


@pytest.mark.parametrize(
    ("kind", "theirs", "ours"),
    [
        ("small", {}, {}),
        ("small", {"eb": False}, {"empirical_bayes": False}),
        ("ties", {}, {}),
        ("small", {"ref_batch": "A"}, {"reference": "A"}),
        ("small", {"ref_batch": "D"}, {"reference": "D"}),
    ],
)
@pytest.mark.filterwarnings("ignore::harmonize_kit.errors.HarmonizeWarning")
def test_the_replay_agrees_on_awkward_cohorts(
    kind: str, theirs: dict[str, Any], ours: dict[str, Any], quietly: Quietly
) -> None:
    table = awkward(kind)
    frame = table.covariates[["SITE", "sex", "age"]]
    _, expected = quietly(
        "harmonizationLearn", table.values, frame, smooth_terms=["age"], seed=3, **theirs
    )
    got = harmonized(
        table, preserve="sex", smooth=("age",), smoothing="neuroharmonize", seed=3, **ours
    )
    assert np.abs(got - expected).max() < 1e-9


@pytest.mark.filterwarnings("ignore::harmonize_kit.errors.HarmonizeWarning")
def test_the_replay_of_two_smooths_agrees(quietly: Quietly) -> None:
    table = some(awkward("small"), 2)
    frame = table.covariates[["SITE", "sex", "age", "bmi"]]
    _, expected = quietly(
        "harmonizationLearn", table.values, frame, smooth_terms=["bmi", "age"], seed=3
    )
    got = harmonized(
        table, preserve="sex", smooth=("bmi", "age"), smoothing="neuroharmonize", seed=3
    )
    assert np.abs(got - expected).max() < 1e-9


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {"preserve": "age + sex + dx"}),
        ({"eb": False}, {"preserve": "age + sex + dx", "empirical_bayes": False}),
        ({"ref_batch": "B"}, {"preserve": "age + sex + dx", "reference": "B"}),
        (
            {"smooth_terms": ["age"], "seed": 5},
            {"preserve": "sex + dx", "smooth": ("age",), "seed": 5},
        ),
    ],
)  # fmt: skip
def test_the_method_fits_with_neuroharmonize_and_applies_with_ours(
    theirs: dict[str, Any], ours: dict[str, Any], quietly: Quietly, oracle: FeatureTable
) -> None:
    table = some(oracle, 6)
    frame = table.covariates[["SITE", *LINEAR]]
    _, expected = quietly("harmonizationLearn", table.values, frame, **theirs)
    fitted = NeuroHarmonizeHarmonizer(NeuroHarmonizeConfig(site="SITE", **ours)).fit(table)
    difference = np.abs(fitted.apply(table).values - expected).max()
    assert difference < (1e-9 if "smooth_terms" in theirs else 1e-6)
    rounded = np.abs(fitted.apply(with_rounded(table)).values - expected).max()
    assert "smooth_terms" in theirs or rounded < 1e-10
    alone = fitted.apply(table.select(table.ids[7:8])).values
    assert np.abs(alone[0] - expected[7]).max() < 1e-6


def test_groups_reach_neuroharmonize_as_indicators(quietly: Quietly, oracle: FeatureTable) -> None:
    """It takes numbers alone; we code groups for it, and keep their levels."""
    table = some(oracle, 6)
    group = np.array(["x", "y", "z"])[np.arange(120) * 7 % 11 % 3]
    frame = table.covariates[["SITE", "age"]].assign(y=group == "y", z=group == "z")
    frame = frame.assign(y=frame["y"].astype(float), z=frame["z"].astype(float))
    _, expected = quietly("harmonizationLearn", table.values, frame)
    coded = replace(table, covariates=table.covariates.assign(group=group))
    config = NeuroHarmonizeConfig(site="SITE", preserve="age + group")
    got = NeuroHarmonizeHarmonizer(config).fit(coded).apply(coded).values
    assert np.abs(got - expected).max() < 1e-6
