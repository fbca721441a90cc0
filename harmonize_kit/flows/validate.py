"""validate: every problem of a file at once, before anything runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harmonize_kit.config.load import MAX_BYTES, preset_names
from harmonize_kit.errors import InputError, TableError
from harmonize_kit.features import FeatureExtractor
from harmonize_kit.flows.extract import load_params
from harmonize_kit.flows.preprocess_plan import PRESETS, load_preprocessing
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.cohorts import missing_files, read_cohort
from harmonize_kit.storage.columns import DELIMITERS, plain_suffix, read_text_table


@dataclass(frozen=True)
class Validation:
    """What a file is, what it holds, and everything that is wrong with it."""

    kind: str
    summary: str
    problems: tuple[str, ...]


def validate(file: str, id_column: str | None = None) -> Validation:
    """Check a cohort, a feature table, a parameter file or a preset.

    A table with ``Image`` or ``Mask`` columns is taken as a cohort, another one as features; a file
    that names ``stages``, or a preset that does, as a configuration of preprocess; any other file
    or name as extraction parameters.
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
    if _is_preprocessing(file):
        stages = load_preprocessing(file).stages
        return Validation("preprocessing configuration", f"stages {', '.join(stages)}", ())
    config = load_params(file)
    FeatureExtractor(config)
    images = ", ".join(config.imageType) or "Original"
    classes = ", ".join(config.featureClass) or "all"
    return Validation("extraction parameters", f"images {images}; feature classes {classes}", ())


def _is_preprocessing(file: str) -> bool:
    """Tell whether a name is that of a preset of preprocess, or a file says which stages run."""
    if file in preset_names(PRESETS):
        return True
    path = Path(file)
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return False
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return re.search(r"""^\s*["']?stages["']?\s*:""", text, re.MULTILINE) is not None
