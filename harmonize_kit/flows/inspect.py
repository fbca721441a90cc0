"""inspect: what a saved model, of features or of images, was fitted on and with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harmonize_kit.combat import (
    Fitted,
    FittedComBat,
    FittedCovBat,
    FittedLongitudinalComBat,
    describe,
    parts_of,
)
from harmonize_kit.flows.fit import model_digest
from harmonize_kit.flows.inspect_translation import inspect_translation
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.translate_load import is_translation


def inspect(model: Path) -> dict[str, Any]:
    """Return a description of a saved model, as plain values.

    Of a model of translation it is that of
    :func:`~harmonize_kit.flows.inspect_translation.inspect_translation`.

    Raises
    ------
    ConfigError, IntegrityError
        If there is no model, or it was damaged or changed.
    """
    if is_translation(model):
        return inspect_translation(model)
    fitted, made_by = load_fitted(model)
    parts = parts_of(fitted)
    first = parts[0]
    through = np.any([part.passed_through for part in parts], axis=0)
    smooth = {term.name for term in first.design.smooths}
    ranges = {
        name: {"range": list(ends), "smooth": name in smooth}
        for name, ends in first.design.ranges.items()
    }
    return {
        "kind": describe(fitted)[0],
        "digest": model_digest(fitted),
        "configuration": _configuration(fitted),
        "sites": _sites(first),
        "stages": [{"batch": part.config.site, "sites": _sites(part)} for part in parts],
        "adapted": list(first.adapted),
        "cases": sum(first.counts),
        "features": list(first.features),
        "passed_through": [
            name for name, flag in zip(first.features, through, strict=True) if flag
        ],
        "covariates": {
            **ranges,
            **{name: {"levels": list(known)} for name, known in first.design.levels.items()},
        },
        **_particulars(fitted),
        "made_by": dict(made_by),
    }


def _configuration(fitted: Fitted) -> dict[str, Any]:
    if isinstance(fitted, (FittedComBat, FittedCovBat, FittedLongitudinalComBat)):
        return fitted.config.model_dump(mode="json")
    own = fitted.stages[0].config.model_dump(mode="json", exclude={"site"})
    return {"batches": list(fitted.order), **own}


def _particulars(fitted: Fitted) -> dict[str, Any]:
    """Return what a kind of model learned beside site effects."""
    if isinstance(fitted, FittedCovBat):
        return {"components": len(fitted.scores.target)}
    if isinstance(fitted, FittedLongitudinalComBat):
        return {"median_between_to_within_variance": float(np.median(fitted.subjects.ratio))}
    return {}


def _sites(part: FittedComBat) -> dict[str, Any]:
    shift = np.sqrt(np.mean(part.location**2, axis=1))
    spread = np.exp(np.mean(np.log(np.where(part.scale > 0, part.scale, 1.0)), axis=1))
    return {
        name: {
            "cases": count,
            "root_mean_square_shift": float(shift[code]),
            "geometric_mean_variance_ratio": float(spread[code]),
        }
        for code, (name, count) in enumerate(zip(part.sites, part.counts, strict=True))
    }
