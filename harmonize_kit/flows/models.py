"""Saving and loading fitted harmonizers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harmonize_kit import combat
from harmonize_kit.combat import ComBat, FittedComBat, unnamed_features
from harmonize_kit.errors import InputError, IntegrityError, NotFittedError
from harmonize_kit.provenance import versions
from harmonize_kit.storage.models import StoredModel, load_model, save_model


def save(model: ComBat | FittedComBat, folder: str | Path, **made_by: Any) -> Path:
    """Write a fitted model as a folder of JSON and arrays; it holds nothing of any subject.

    Parameters
    ----------
    model : ComBat or FittedComBat
    folder : path
        Made anew; a model that is there is replaced.

    Raises
    ------
    NotFittedError
        If the estimator was not fitted.
    ConfigError
        If ``folder`` holds something other than a model.
    """
    fitted = model.model_ if isinstance(model, ComBat) and hasattr(model, "model_") else model
    if not isinstance(fitted, FittedComBat):
        raise NotFittedError("expected a fitted model; call fit first")
    document, arrays = combat.to_document(fitted)
    save_model(Path(folder), combat.KIND, document, arrays, {"versions": versions(), **made_by})
    return Path(folder)


def load(folder: str | Path) -> ComBat:
    """Read a model folder and return the fitted estimator.

    Raises
    ------
    ConfigError
        If there is no model at ``folder``.
    IntegrityError
        If it was damaged, changed, or written by a newer version.
    """
    fitted, _ = load_fitted(Path(folder))
    config = fitted.config
    estimator = ComBat(**config.model_dump())
    estimator.model_ = fitted
    estimator.n_features_in_ = len(fitted.features)
    if fitted.features != unnamed_features(len(fitted.features)):
        estimator.feature_names_in_ = np.array(fitted.features, dtype=object)
    return estimator


def load_fitted(folder: Path) -> tuple[FittedComBat, Mapping[str, Any]]:
    """Return the fitted model of a folder, and what made it."""
    stored = load_model(folder)
    return restore(stored, str(folder)), stored.made_by


def restore(stored: StoredModel, source: str) -> FittedComBat:
    """Return the fitted model a stored one describes."""
    if stored.kind != combat.KIND:
        raise IntegrityError(
            f"{source}: expected a model of kind '{combat.KIND}', got {stored.kind}"
        )
    try:
        return combat.from_document(stored.document, stored.arrays, source)
    except InputError as error:
        raise IntegrityError(f"{source}: {error}") from error
