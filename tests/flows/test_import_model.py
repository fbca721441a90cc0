"""A model of neuroHarmonize becomes one of ours: same numbers, no subject, nothing run."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_table
from neuroharmonize_models import harmonization_apply, linear_model, smooth_model

import harmonize_kit as hk
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import ConfigError, HarmonizeError, IntegrityError
from harmonize_kit.flows.import_model import import_model
from harmonize_kit.flows.inspect import inspect
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.feature_tables import write_feature_table

Make = Callable[[FeatureTable, pytest.MonkeyPatch], dict[str, Any]]
MODELS: dict[str, Make] = {
    "linear": lambda table, _: linear_model(table),
    "reference": lambda table, _: linear_model(table, reference=1),
    "without empirical Bayes": lambda table, _: {**linear_model(table), "eb": False},
    "smooth": smooth_model,
}


def saved(model: dict[str, Any], path: Path, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(model, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("kind", list(MODELS))
def test_apply_gives_what_neuroharmonize_gives(
    kind: str, protocol: int, table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = MODELS[kind](table, monkeypatch)
    path = saved(model, tmp_path / "nh.pkl", protocol)
    monkeypatch.undo()  # the classes it was saved from are not there when it is read
    fitted = import_model(path, tmp_path / "model", features=table.names, site="site")
    got = load_fitted(tmp_path / "model")[0].apply(table)
    np.testing.assert_allclose(got.values, harmonization_apply(model, table), rtol=0, atol=2e-6)
    assert fitted.config.empirical_bayes == (kind != "without empirical Bayes")
    # One patient of one site, which neuroHarmonize itself cannot take.
    alone = fitted.apply(table.select(table.ids[4:5]))
    np.testing.assert_allclose(alone.values[0], got.values[4], rtol=1e-12)


def test_what_is_imported_is_a_model_like_any_other(table: FeatureTable, tmp_path: Path) -> None:
    path = saved(linear_model(table, reference=2), tmp_path / "nh.pkl")
    import_model(path, tmp_path / "model", features=table.names, site="site")
    found = inspect(tmp_path / "model")
    assert found["configuration"]["reference"] == "C"
    assert found["cases"] == 90
    assert found["made_by"]["imported_from"] == "neuroHarmonize"
    estimator = hk.load(tmp_path / "model")
    hk.save(estimator, tmp_path / "again")
    assert inspect(tmp_path / "again")["digest"] == found["digest"]
    new = replace(table, covariates=table.covariates.assign(site="new"))
    adapted = load_fitted(tmp_path / "model")[0].adapt(new)  # pyright: ignore
    assert adapted.adapted == ("new",)


@pytest.mark.parametrize("kind", ["linear", "smooth"])
def test_no_subject_is_taken_over(
    kind: str, table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = MODELS[kind](table, monkeypatch)
    import_model(saved(model, tmp_path / "nh.pkl"), tmp_path / "m", features=table.names)
    held = b"".join(path.read_bytes() for path in (tmp_path / "m").iterdir())
    ages = np.sort(table.number("age").to_numpy())
    inner = ages[1:-1]
    assert not [age for age in inner if age.tobytes() in held or repr(float(age)).encode() in held]
    with np.load(tmp_path / "m" / "arrays.npz") as arrays:
        sizes = {array.size for array in arrays.values()}
    assert max(sizes) < len(table.ids) * 2 < len(table.ids) * len(table.names)


def test_names_come_from_a_table_a_list_or_are_numbers(
    table: FeatureTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(linear_model(table), tmp_path / "nh.pkl")
    features = write_feature_table(table, tmp_path / "features.csv")[0]
    named = import_model(path, tmp_path / "a", table=TableInput(features), site="site")
    assert list(named.features) == table.names
    assert not caplog.records
    assert import_model(path, tmp_path / "b").features == tuple(f"f{j + 1}" for j in range(12))
    assert "called f1 to f12" in caplog.text
    with pytest.raises(ConfigError, match="12 features, got 2 different names"):
        import_model(path, tmp_path / "c", features=["a", "b"])
    with pytest.raises(ConfigError, match="12 features, got 11 different names"):
        import_model(path, tmp_path / "c", features=[*table.names[:-1], table.names[0]])
    assert not (tmp_path / "c").exists()


def test_an_early_model_needs_the_names_of_its_covariates(
    table: FeatureTable, tmp_path: Path
) -> None:
    """Before 2.4, neither covariates nor a repeated mean were in the dictionary."""
    whole, early = linear_model(table), linear_model(table)
    early["grand_mean"] = early["stand_mean"][:, 0]
    for name in ("stand_mean", "mod_mean", "Covariates", "ref_batch"):
        del early[name]
    del early["info_dict"]["ref_level"]
    path = saved(early, tmp_path / "nh.pkl")
    with pytest.raises(ConfigError, match="early version"):
        import_model(path, tmp_path / "m")
    with pytest.raises(IntegrityError, match="expected 2 effects of age, sex, got 1"):
        import_model(path, tmp_path / "m", covariates=["age", "SITE", "sex"])
    fitted = import_model(
        path, tmp_path / "m", features=table.names, covariates=["SITE", "age"], site="site"
    )
    got = fitted.apply(table).values
    np.testing.assert_allclose(got, harmonization_apply(whole, table), rtol=0, atol=2e-6)
    with pytest.raises(ConfigError, match="names its covariates itself"):
        import_model(saved(whole, tmp_path / "w.pkl"), tmp_path / "m", covariates=["sex"])


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda model: model.pop(name)


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda model: model.update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *((_without(name), f"no field '{name}'") for name in ("B_hat", "gamma_star", "design")),
        (_set("B_hat", np.zeros((4, 11))), "4 sites|3 sites and 11 features"),
        (_set("gamma_star", np.zeros(3)), "rows and columns in 'gamma_star'"),
        (_set("delta_star", "text"), "expected numbers in 'delta_star'"),
        (_set("SITE_labels", np.array(["A", "B", "B"], dtype=object)), "estimates of 3 sites"),
        (_set("SITE_labels", "ABC"), "expected names"),
        (_set("info_dict", []), "expected a dictionary in 'info_dict'"),
        (_set("info_dict", {"sample_per_batch": np.array([1.5, 2, 3])}), "whole numbers"),
        (_set("info_dict", {"sample_per_batch": np.array([1, 2, 3]), "ref_level": 7}), "3 sites"),
        (_set("smooth_model", {"perform_smoothing": True, "smooth_cols": [9]}), "smooth_cols"),
        (_set("smooth_model", {"perform_smoothing": True, "smooth_cols": [1]}), "bsplines"),
        (_set("Covariates", ["SITE", "age", "age"]), "each covariate once"),
        (_set("Covariates", ["SITE", "age", "sex"]), "expected 2 effects"),
        (_set("gamma_hat", np.full((3, 12), np.nan)), "not finite"),
        (_set("var_pooled", np.zeros((12, 1))), "not finite, or a scale is 0"),
        (_set("design", np.ones((90, 4))), "does not vary"),
    ],
)
def test_a_dictionary_that_is_no_model_is_refused(
    change: Any, said: str, table: FeatureTable, tmp_path: Path
) -> None:
    model = linear_model(table)
    change(model)
    with pytest.raises(IntegrityError, match=said):
        import_model(saved(model, tmp_path / "nh.pkl"), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_other_pickles_are_refused(table: FeatureTable, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="got no dictionary"):
        import_model(saved([1, 2], tmp_path / "list.pkl"), tmp_path / "m")  # pyright: ignore
    with pytest.raises(IntegrityError, match="a foreign pickle: it asks for 'pathlib"):
        import_model(saved({"B_hat": tmp_path}, tmp_path / "p.pkl"), tmp_path / "m")


@pytest.mark.parametrize("kind", ["linear", "smooth"])
def test_a_pickle_changed_at_random_is_read_or_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No damage ends otherwise than with a model or a sentence."""
    table = make_table(n=24, p=3)
    whole = saved(MODELS[kind](table, monkeypatch), tmp_path / "nh.pkl").read_bytes()
    rng, read = np.random.default_rng(0), 0
    for _ in range(150):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=2):
            if rng.random() < 0.5:
                data[at] = rng.integers(256)
            else:
                del data[at : at + rng.integers(1, 9)]
        (tmp_path / "changed.pkl").write_bytes(bytes(data))
        with contextlib.suppress(HarmonizeError):
            import_model(tmp_path / "changed.pkl", tmp_path / "m", features=table.names)
            read += 1
    assert 0 < read < 75


def test_splines_of_another_kind_are_refused(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = smooth_model(table, monkeypatch)
    smoother = model["smooth_model"]["bsplines_constructor"].smoothers[0]
    for name, value in (("degree", 2), ("knots", np.arange(5.0)), ("knots", np.ones(14))):
        monkeypatch.setitem(smoother.__dict__, name, value)
        with pytest.raises(IntegrityError, match="the spline of 'age' is not cubic"):
            import_model(saved(model, tmp_path / "nh.pkl"), tmp_path / "m")
        monkeypatch.setitem(smoother.__dict__, "degree", 3)


def test_a_smooth_model_keeps_its_splines(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = smooth_model(table, monkeypatch)
    fitted = import_model(saved(model, tmp_path / "nh.pkl"), tmp_path / "m", site="site")
    assert fitted.config.smooth == ("age",)
    assert fitted.config.smoothing == "neuroharmonize"
    document = json.loads((tmp_path / "m" / "model.json").read_text())
    assert document["model"]["smooths"][0]["name"] == "age"
