"""validate: every problem of a file at once, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize_kit.config.guards import GuardConfig
from harmonize_kit.config.load import MAX_BYTES, load_config, load_file, preset_names
from harmonize_kit.config.translate import TranslationConfig
from harmonize_kit.errors import InputError, TableError
from harmonize_kit.features import FeatureExtractor
from harmonize_kit.flows.extract import load_params
from harmonize_kit.flows.preprocess_plan import PRESETS, load_preprocessing
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.cohorts import missing_files, read_cohort
from harmonize_kit.storage.columns import DELIMITERS, plain_suffix, read_text_table

TRANSLATIONS = "translate"
# Keys that no other file has: a file is what the first of them that it holds says.
STAGES = ("stages",)
NETWORKS = ("generator", "discriminator", "objective", "training", "differences")
GUARDS = tuple(GuardConfig.model_fields)


@dataclass(frozen=True)
class Validation:
    """What a file is, what it holds, and everything that is wrong with it."""

    kind: str
    summary: str
    problems: tuple[str, ...]


def validate(file: str, id_column: str | None = None) -> Validation:
    """Check a cohort, a feature table, a parameter file or a preset.

    A table with ``Image`` or ``Mask`` columns is taken as a cohort, another one as features; a file
    that names ``stages``, or a preset that does, as a configuration of preprocess; one that names
    ``generator``, ``training`` or another section of a training as one of translate; one with
    bounds of guards as those; any other file or name as extraction parameters.
    """
    path = Path(file)
    try:
        if plain_suffix(path) in {*DELIMITERS, ".parquet"}:
            return _table(path, id_column)
        return _params(file)
    except TableError as error:
        return Validation("table", "", error.problems)
    except InputError as error:
        return Validation("parameters", "", error.problems)


def _table(path: Path, id_column: str | None) -> Validation:
    names: list[str] = read_text_table(path).column_names
    lowered = [name.lower() for name in names]
    if any(name == "mask" or name == "image" or name.startswith("image_") for name in lowered):
        cohort = read_cohort(path, id_column)
        summary = f"{len(cohort)} cases, columns {', '.join(cohort.columns) or 'none'}"
        return Validation("cohort", summary, tuple(missing_files(cohort)))
    table = TableInput(path, id_column=id_column).read()
    missing = int(table.features.isna().sum().sum())
    summary = f"{len(table.ids)} cases, {len(table.names)} features, {missing} missing cells"
    return Validation("feature table", summary, ())


def _params(file: str) -> Validation:
    if file in preset_names(PRESETS) or _names(file, STAGES):
        stages = load_preprocessing(file).stages
        return Validation("preprocessing configuration", f"stages {', '.join(stages)}", ())
    if file in preset_names(TRANSLATIONS) or _names(file, NETWORKS):
        networks = load_config(file, TRANSLATIONS, TranslationConfig)
        steps = sum(phase.steps for phase in networks.training.phases)
        summary = f"{networks.generator.architecture}, {steps} steps"
        return Validation("translation configuration", summary, ())
    if _names(file, GUARDS):
        bounds = load_file(Path(file), GuardConfig)
        said = ", ".join(name for name in GUARDS if name in bounds.model_fields_set)
        return Validation("bounds of guards", said, ())
    config = load_params(file)
    FeatureExtractor(config)
    images = ", ".join(config.imageType) or "Original"
    classes = ", ".join(config.featureClass) or "all"
    return Validation("extraction parameters", f"images {images}; feature classes {classes}", ())


def _names(file: str, keys: Sequence[str]) -> bool:
    """Tell whether a file has one of the keys at the beginning of a line."""
    path = Path(file)
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return False
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    found = rf"""^[\s{{]*["']?(?:{"|".join(keys)})["']?\s*:"""
    return re.search(found, text, re.MULTILINE) is not None
