"""Model dictionaries as neuroHarmonize 2.5.2 saves them, made by hand."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.combat.spline_basis import SmoothTerm, learn_smooth_term
from harmonize_kit.core.table import FeatureTable

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def ages(table: FeatureTable) -> Array:
    """Return the age of each case."""
    return np.asarray(table.number("age"), dtype=np.float64)


def linear_model(table: FeatureTable, reference: int | None = None) -> dict[str, Any]:
    """A model of three sites with age as its one covariate; its numbers are arbitrary."""
    rng = np.random.default_rng(4)
    site = table.covariates["site"].to_numpy(dtype=object)
    labels, codes = np.unique(site, return_inverse=True)
    n, k, p = len(site), len(labels), len(table.names)
    age = ages(table).astype(np.float32).astype(np.float64)
    design = np.column_stack([np.eye(k)[codes], age])
    effects = rng.normal(size=(k + 1, p))
    grand = rng.normal(10, 1, p)
    location, scale = rng.normal(size=(k, p)), rng.uniform(0.5, 2, (k, p))
    if reference is not None:
        location[reference], scale[reference] = 0.0, 1.0
    rows = [np.flatnonzero(codes == code) for code in range(k)]
    return {
        "design": design, "SITE_labels": labels, "var_pooled": rng.uniform(1, 2, (p, 1)),
        "B_hat": effects, "stand_mean": np.repeat(grand[:, None], n, axis=1),
        "mod_mean": (age[:, None] @ effects[k:]).T, "gamma_star": location, "delta_star": scale,
        "info_dict": {
            "batch_levels": np.arange(k), "n_batch": k, "n_sample": n,
            "sample_per_batch": np.bincount(codes), "batch_info": [list(own) for own in rows],
            "ref_level": reference,
        },
        "gamma_hat": location * 1.1, "delta_hat": scale * 1.1, "gamma_bar": location.mean(axis=1),
        "t2": location.var(axis=1), "a_prior": [np.float64(3.0)] * k,
        "b_prior": [np.float64(2.0)] * k,
        "smooth_model": {
            "perform_smoothing": False, "smooth_terms": [], "smooth_cols": [],
            "bsplines_constructor": None, "formula": None, "df_gam": None,
        },
        "eb": True, "SITE_labels_train": labels, "Covariates": ["SITE", "age"], "ref_batch": None,
    }  # fmt: skip


def smooth_model(table: FeatureTable, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The same with a smooth effect of age, in classes that have statsmodels' names."""
    model, term = linear_model(table), age_term(table)
    age, k = ages(table), len(model["SITE_labels"])
    basis = term.columns(age)
    knots = term.lower + (term.upper - term.lower) * np.concatenate(
        [np.zeros(4), term.knots, np.ones(4)]
    )
    whole, single = (_pretend(name, monkeypatch) for name in ("BSplines", "UnivariateBSplines"))
    single.__dict__.update(x=age, knots=knots, degree=3, df=10, basis=basis, covder2_kwds={})
    whole.__dict__.update(x=age[:, None], smoothers=[single], basis=basis, variable_names=["x0"])
    effects = np.random.default_rng(5).normal(size=(k + basis.shape[1], len(table.names)))
    frame = pd.DataFrame({f"x{j}": model["design"][:, j] for j in range(k)})
    smooth = {
        "perform_smoothing": True, "smooth_terms": ["age"], "smooth_cols": [1],
        "bsplines_constructor": whole, "formula": "y ~ x0 + x1 + x2 - 1",
        "df_gam": frame.assign(y=table.values[:, 0]),
    }  # fmt: skip
    design = np.column_stack([model["design"][:, :k], basis])
    return {**model, "design": design, "B_hat": effects, "smooth_model": smooth}


def age_term(table: FeatureTable) -> SmoothTerm:
    """The spline of age, whose columns are not centred."""
    term = learn_smooth_term("age", ages(table), distinct_knots=False)
    return SmoothTerm("age", term.lower, term.upper, term.knots, np.zeros(len(term.centre)))


def harmonization_apply(model: dict[str, Any], table: FeatureTable) -> Array:
    """neuroHarmonize's ``harmonizationApply``, written out, shape (n, p)."""
    labels = list(model["SITE_labels"])
    codes = np.array([labels.index(name) for name in table.covariates["site"]])
    age = ages(table)
    smooth = model["smooth_model"]["perform_smoothing"]
    columns = age_term(table).columns(age) if smooth else age[:, None]
    mean = model["stand_mean"][:, 0] + columns @ model["B_hat"][len(labels) :]
    sd = np.sqrt(model["var_pooled"][:, 0])
    z = (table.values - mean) / sd
    location, scale = model["gamma_star"], model["delta_star"]
    out = (z - location[codes]) / np.sqrt(scale[codes]) * sd + mean
    reference = model["info_dict"]["ref_level"]
    return out if reference is None else np.where(codes[:, None] == reference, table.values, out)


def _pretend(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an object of a class with the name that statsmodels' has."""
    module = "statsmodels.gam.smooth_basis"
    for package in ("statsmodels", "statsmodels.gam"):
        if package not in sys.modules:
            monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
    if not hasattr(sys.modules.get(module), "pretended"):
        pretended = types.ModuleType(module)
        monkeypatch.setattr(pretended, "pretended", True, raising=False)
        monkeypatch.setitem(sys.modules, module, pretended)
    kind = type(name, (), {"__module__": module})
    monkeypatch.setattr(sys.modules[module], name, kind, raising=False)
    return kind()
