"""Small synthetic studies with known truth, and harmonizers that do one thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.table import FeatureTable

MakeTable = Callable[..., FeatureTable]


def make_table(
    values: np.ndarray, site: np.ndarray, covariates: Mapping[str, object] | None = None
) -> FeatureTable:
    """Make a table with ids c000, c001 ... and features f0, f1 ..."""
    ids = [f"c{row:03d}" for row in range(len(values))]
    names = [f"f{column}" for column in range(values.shape[1])]
    frame = pd.DataFrame({"site": [f"s{code}" for code in site], **(covariates or {})}, index=ids)
    return FeatureTable(pd.DataFrame(values, index=ids, columns=names), frame)


@dataclass(frozen=True)
class CentreSites:
    """Subtracts each site's training mean; remembers what it was fitted on."""

    seen: list[list[str]] = field(default_factory=list)

    def fit(self, table: FeatureTable) -> FittedCentre:
        self.seen.append(table.ids)
        return FittedCentre(table.features.groupby(table.text("site")).mean())


@dataclass(frozen=True)
class FittedCentre:
    means: pd.DataFrame

    def apply(self, table: FeatureTable) -> FeatureTable:
        return table.with_values(
            table.values - self.means.loc[table.text("site").tolist()].to_numpy()
        )


@dataclass(frozen=True)
class SetConstant:
    """Destroys the first ``count`` features, or all."""

    count: int | None = None

    def fit(self, table: FeatureTable) -> SetConstant:
        return self

    def apply(self, table: FeatureTable) -> FeatureTable:
        values = table.values.copy()
        values[:, : self.count] = 7.0
        return table.with_values(values)


@pytest.fixture
def table_of() -> MakeTable:
    return make_table


@pytest.fixture
def centre_sites() -> CentreSites:
    return CentreSites()


@pytest.fixture
def set_constant() -> Callable[[int | None], SetConstant]:
    return SetConstant


@pytest.fixture
def quick() -> CompareConfig:
    """Few draws: enough to tell an effect from none."""
    return CompareConfig(permutations=39, bootstraps=40)


@pytest.fixture
def planted() -> tuple[FeatureTable, FeatureTable]:
    """Three sites, age and sex in half of the features; with a planted site shift and without."""
    rng = np.random.default_rng(7)
    n, p = 120, 24
    site = np.arange(n) % 3
    age = rng.uniform(20, 80, n) + 5 * site
    sex = rng.integers(0, 2, n)
    slope = np.where(np.arange(p) % 2 == 0, 0.05, 0.0)
    values = rng.normal(size=(n, p)) + np.outer(age, slope) + np.outer(sex, 20 * slope[::-1])
    covariates = {"age": age, "sex": np.where(sex == 1, "M", "F")}
    shift = rng.normal(scale=1.2, size=(3, p))
    return make_table(values + shift[site], site, covariates), make_table(values, site, covariates)
