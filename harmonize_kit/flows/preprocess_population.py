"""Population methods of intensity: fitted on the training cases alone, saved, applied to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from harmonize_kit.config.intensity import IntensityConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.errors import ConfigError, IntegrityError
from harmonize_kit.preprocess.intensity_fit import (
    KIND,
    FittedIntensity,
    fit_intensities,
    from_document,
    summarize,
    to_document,
)  # fmt: skip
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.provenance import versions
from harmonize_kit.storage.identity import find_column
from harmonize_kit.storage.models import StoredModel, load_model, save_model

SPLIT, TRAIN = "split", "train"


def summarize_scans(scans: Scans, config: IntensityConfig) -> Staged:
    """Return what a population method needs to know of each image of a case."""
    found = {
        name: summarize(scans.images[name], config, name) for name in config.to_fit(scans.images)
    }
    return Staged(scans, {"summaries": found})


def training_cases(cohort: Cohort, train: str | None) -> tuple[frozenset[str], str]:
    """Return the ids of the cases to fit on, and a sentence that says which they are.

    Parameters
    ----------
    cohort : Cohort
    train : str, optional
        ``COLUMN=VALUE``; see :class:`~harmonize_kit.config.preprocess.PreprocessingConfig`.

    Raises
    ------
    ConfigError
        If there is no such column, or no case with that value.
    """
    column, _, value = (train or f"{SPLIT}={TRAIN}").partition("=")
    name = find_column(cohort.columns, column)
    if name is None and train is None:
        return frozenset(case.id for case in cohort), (
            f"the intensity model is fitted on all {len(cohort)} cases, since the cohort has no "
            f"column '{SPLIT}': it has seen the cases it is applied to"
        )
    if name is None:
        raise ConfigError(f"train: {train}: the cohort has no column '{column}'")
    found = frozenset(case.id for case in cohort if _is(case, name, value))
    if not found:
        raise ConfigError(f"train: no case has {name} = {value}, so there is nothing to fit on")
    return found, f"the intensity model is fitted on {len(found)} cases, those with {name} {value}"


def fit_model(
    summaries: Sequence[Mapping[str, Any]], config: IntensityConfig, folder: Path
) -> tuple[str, str]:
    """Fit on the summaries of the training cases, in order, save the model; return its digest.

    A model with the same content that is there already is left as it is.

    Returns
    -------
    tuple of (str, str)
        Folder and digest.
    """
    fitted, digest = fit_in_memory(summaries, config)
    document, arrays = to_document(fitted)
    if not _is_there(folder, digest):
        save_model(
            folder, KIND, document, arrays, {"versions": versions(), "cases": len(summaries)}
        )
    return str(folder), digest


def fit_in_memory(
    summaries: Sequence[Mapping[str, Any]], config: IntensityConfig
) -> tuple[FittedIntensity, str]:
    """Return the model that summaries of cases, in order, give, and its digest."""
    gathered: dict[str, list[Any]] = {}
    for of_case in summaries:
        for modality, summary in of_case.items():
            gathered.setdefault(modality, []).append(summary)
    fitted = fit_intensities(gathered, config)
    return fitted, fitted.digest


def find_model(folder: Path) -> tuple[str, str]:
    """Return the folder of a saved intensity model as a whole path, and its digest.

    Raises
    ------
    ConfigError, IntegrityError
        If there is none, or it is damaged or of another kind.
    """
    return str(folder.absolute()), _restore(load_model(folder), folder).digest


@lru_cache(maxsize=2)
def load_intensities(folder: str, digest: str) -> FittedIntensity:
    """Return the fitted model of a folder, which must still have this digest."""
    fitted = _restore(load_model(Path(folder)), Path(folder))
    if fitted.digest != digest:
        raise IntegrityError(f"{folder}: the intensity model was changed during the run")
    return fitted


def _restore(stored: StoredModel, folder: Path) -> FittedIntensity:
    if stored.kind != KIND:
        raise ConfigError(f"{folder}: expected an intensity model, got one of kind '{stored.kind}'")
    return from_document(stored.document, stored.arrays, str(folder))


def _is_there(folder: Path, digest: str) -> bool:
    try:
        return _restore(load_model(folder), folder).digest == digest
    except (ConfigError, IntegrityError):
        return False


def _is(case: Case, column: str, value: str) -> bool:
    return case.columns[column].strip().lower() == value.strip().lower()
