"""Harmonization of multi-scanner imaging studies: extract, fit and apply, judge.

The public names are below. Each is imported when it is first used, so that a command which needs
no arrays starts at once.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from harmonize_kit.flows.judgement import compare, report
from harmonize_kit.flows.preprocessing import preprocess

if TYPE_CHECKING:
    from harmonize_kit.combat import ComBat, CovBat, LongitudinalComBat, NestedComBat
    from harmonize_kit.core.cohort import Case, Cohort
    from harmonize_kit.core.feature_dictionary import describe_feature, feature_dictionary
    from harmonize_kit.core.harmonizer import IdentityHarmonizer
    from harmonize_kit.core.scorecard import Scorecard
    from harmonize_kit.core.table import FeatureTable
    from harmonize_kit.core.volume import Geometry, Volume
    from harmonize_kit.flows.compare_images import compare_images
    from harmonize_kit.flows.extract import extract
    from harmonize_kit.flows.models import load, save
    from harmonize_kit.flows.robustness import robustness
    from harmonize_kit.flows.translate import (
        ApplyOptions,
        TrainOptions,
        train_translator,
        translate_cohort,
    )
    from harmonize_kit.flows.translate_fit import fit_baseline
    from harmonize_kit.storage.cohorts import read_cohort
    from harmonize_kit.storage.feature_tables import read_feature_table, write_feature_table

    __version__: str

_HOMES = {
    "ApplyOptions": "flows.translate",
    "Case": "core.cohort",
    "Cohort": "core.cohort",
    "ComBat": "combat",
    "CovBat": "combat",
    "FeatureTable": "core.table",
    "Geometry": "core.volume",
    "IdentityHarmonizer": "core.harmonizer",
    "LongitudinalComBat": "combat",
    "NestedComBat": "combat",
    "Scorecard": "core.scorecard",
    "TrainOptions": "flows.translate",
    "Volume": "core.volume",
    "compare_images": "flows.compare_images",
    "describe_feature": "core.feature_dictionary",
    "extract": "flows.extract",
    "feature_dictionary": "core.feature_dictionary",
    "fit_baseline": "flows.translate_fit",
    "load": "flows.models",
    "read_cohort": "storage.cohorts",
    "read_feature_table": "storage.feature_tables",
    "robustness": "flows.robustness",
    "save": "flows.models",
    "train_translator": "flows.translate",
    "translate_cohort": "flows.translate",
    "write_feature_table": "storage.feature_tables",
}

__all__ = [
    "ApplyOptions",
    "Case",
    "Cohort",
    "ComBat",
    "CovBat",
    "FeatureTable",
    "Geometry",
    "IdentityHarmonizer",
    "LongitudinalComBat",
    "NestedComBat",
    "Scorecard",
    "TrainOptions",
    "Volume",
    "compare",
    "compare_images",
    "describe_feature",
    "extract",
    "feature_dictionary",
    "fit_baseline",
    "load",
    "preprocess",
    "read_cohort",
    "read_feature_table",
    "report",
    "robustness",
    "save",
    "train_translator",
    "translate_cohort",
    "write_feature_table",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("harmonize-kit")
    if name in _HOMES:
        value = getattr(import_module(f"harmonize_kit.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'harmonize_kit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
