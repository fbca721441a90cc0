"""Saving and loading fitted harmonizers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harmonize_kit import combat
from harmonize_kit.combat import (
    ComBat,
    CovBat,
    Fitted,
    FittedComBat,
    FittedCovBat,
    FittedLongitudinalComBat,
    LongitudinalComBat,
    NestedComBat,
    SiteTransformer,
    parts_of,
    unnamed_features,
)
from harmonize_kit.errors import InputError, IntegrityError, NotFittedError
from harmonize_kit.provenance import versions
from harmonize_kit.storage.models import StoredModel, load_model, save_model


def save(model: SiteTransformer | Fitted, folder: str | Path, **made_by: Any) -> Path:
    """Write a fitted model as a folder of JSON and arrays; it holds nothing of any subject.

    Parameters
    ----------
    model : ComBat, CovBat, LongitudinalComBat, NestedComBat, or what their fit learned
    folder : path
        Made anew; a model that is there is replaced.

    Raises
    ------
    NotFittedError
        If the estimator was not fitted.
    ConfigError
        If ``folder`` holds something other than a model.
    """
    fitted: Fitted | None = getattr(model, "model_", model)  # pyright: ignore[reportAssignmentType]
    if fitted is None or isinstance(fitted, SiteTransformer):
        raise NotFittedError("expected a fitted model; call fit first")
    kind, document, arrays = combat.describe(fitted)
    save_model(Path(folder), kind, document, arrays, {"versions": versions(), **made_by})
    return Path(folder)


def load(folder: str | Path) -> SiteTransformer:
    """Read a model folder and return the fitted estimator.

    Raises
    ------
    ConfigError
        If there is no model at ``folder``.
    IntegrityError
        If it was damaged, changed, or written by a newer version.
    """
    fitted, _ = load_fitted(Path(folder))
    estimator = _unfitted(fitted)
    estimator.model_ = fitted
    features = parts_of(fitted)[0].features
    estimator.n_features_in_ = len(features)
    if features != unnamed_features(len(features)):
        estimator.feature_names_in_ = np.array(features, dtype=object)
    return estimator


def load_fitted(folder: Path) -> tuple[Fitted, Mapping[str, Any]]:
    """Return the fitted model of a folder, and what made it."""
    stored = load_model(folder)
    return restore(stored, str(folder)), stored.made_by


def restore(stored: StoredModel, source: str) -> Fitted:
    """Return the fitted model a stored one describes."""
    try:
        return combat.restore(stored.kind, stored.document, stored.arrays, source)
    except InputError as error:
        raise IntegrityError(f"{source}: {error}") from error


def _unfitted(fitted: Fitted) -> SiteTransformer:
    if isinstance(fitted, (FittedComBat, FittedCovBat, FittedLongitudinalComBat)):
        choices = fitted.config.model_dump()
        if isinstance(fitted, FittedComBat):
            return ComBat(**choices)
        del choices["robust"]
        if isinstance(fitted, FittedCovBat):
            return CovBat(**choices)
        for name in ("smooth", "smoothing", "seed"):
            del choices[name]
        return LongitudinalComBat(**choices)
    choices = fitted.stages[0].config.model_dump(exclude={"site", "reference", "robust"})
    return NestedComBat(fitted.order, best_order=False, **choices)
