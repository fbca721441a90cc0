"""The reference data set as sums, for tests of penalised smooths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harmonize_kit.combat.smoothing import (
    Criterion,
    choose_smoothing,
    penalised_coefficients,
    place_penalties,
)
from harmonize_kit.combat.spline_basis import SmoothTerm, learn_smooth_term

FIGURES = Path(__file__).parent / "oracle" / "combat"
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Sums:
    """Cases as columns X and features Y, and the within-site products of them."""

    sites: np.ndarray[tuple[int, ...], np.dtype[np.intp]]
    columns: Array
    features: Array
    terms: tuple[SmoothTerm, ...]

    def within(self, values: Array) -> Array:
        means = np.stack([values[self.sites == s].mean(axis=0) for s in np.unique(self.sites)])
        return values - means[self.sites]

    @property
    def gram(self) -> Array:
        return self.within(self.columns).T @ self.within(self.columns)

    @property
    def cross(self) -> Array:
        return self.within(self.columns).T @ self.within(self.features)

    @property
    def squares(self) -> Array:
        return (self.within(self.features) ** 2).sum(axis=0)

    @property
    def penalties(self) -> Array:
        start, blocks = self.columns.shape[1] - sum(len(t.centre) for t in self.terms), []
        for term in self.terms:
            blocks.append((slice(start, start + len(term.centre)), term.penalty()))
            start += len(term.centre)
        return place_penalties(self.columns.shape[1], blocks)

    def lambdas(self, criterion: Criterion = "reml") -> Array:
        n_sites = len(np.unique(self.sites))
        return choose_smoothing(
            self.gram, self.cross, self.squares, len(self.sites), n_sites, self.penalties, criterion
        )

    def effects(self, lambdas: Array) -> Array:
        return penalised_coefficients(self.gram, self.cross, self.penalties, lambdas)

    def fitted(self, lambdas: Array) -> Array:
        """Covariate effects about their site means, shape (n, p)."""
        return self.within(self.columns @ self.effects(lambdas))


def make_sums(
    sites: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    linear: Array,
    smooth: dict[str, Array],
    features: Array,
    *,
    distinct_knots: bool = True,
) -> Sums:
    terms = tuple(
        learn_smooth_term(name, values, distinct_knots=distinct_knots)
        for name, values in smooth.items()
    )
    splines = [term.columns(values) for term, values in zip(terms, smooth.values(), strict=True)]
    return Sums(sites, np.concatenate([linear, *splines], axis=1), features, terms)


def reference_sums(smooth: tuple[str, ...] = ("age",), n_features: int = 60) -> Sums:
    """The reference data set; ``f059``, its last feature, may serve as a second covariate."""
    covariates = pd.read_csv(FIGURES / "covars.csv")
    data = pd.read_csv(FIGURES / "data.csv", index_col="id")
    known = {"age": covariates["age"].to_numpy(), "f059": data["f059"].to_numpy()}
    sites = np.searchsorted(np.array(list("ABCD")), covariates["SITE"].to_numpy(dtype=str))
    linear = covariates[["sex", "dx"]].to_numpy(dtype=np.float64)
    features = data.to_numpy()[:, :n_features]
    return make_sums(sites, linear, {name: known[name] for name in smooth}, features)
