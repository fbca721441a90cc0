"""neuroHarmonize itself, quietly; without it nothing here is run."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harmonize_kit.core.table import FeatureTable

FIGURES = Path(__file__).parent.parent / "oracle" / "combat"
Quietly = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("neuroHarmonize") is None:
        here = Path(__file__).parent
        reason = "neuroHarmonize is not installed here; 'make parity' runs this in an environment"
        for item in items:
            if here in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=f"{reason} of its own"))


@pytest.fixture(scope="session")
def quietly() -> Quietly:
    """Call a function of neuroHarmonize's by name, without what it prints and warns of."""

    def call(name: str, *arguments: Any, **choices: Any) -> Any:
        function = getattr(importlib.import_module("neuroHarmonize"), name)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return function(*arguments, **choices)

    return call


@pytest.fixture(scope="session")
def oracle() -> FeatureTable:
    """The reference data set: 120 cases of sites A to D, age, sex and dx, 60 features."""
    features = pd.read_csv(FIGURES / "data.csv", index_col="id")
    covariates = pd.read_csv(FIGURES / "covars.csv", index_col="id")
    return FeatureTable.join(features, covariates)
