"""inspect: what a saved model was fitted on and with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harmonize_kit.flows.fit import model_digest
from harmonize_kit.flows.models import load_fitted


def inspect(model: Path) -> dict[str, Any]:
    """Return a description of a saved model, as plain values.

    Raises
    ------
    ConfigError, IntegrityError
        If there is no model, or it was damaged or changed.
    """
    fitted, made_by = load_fitted(model)
    shift = np.sqrt(np.mean(fitted.location**2, axis=1))
    spread = np.exp(np.mean(np.log(np.where(fitted.scale > 0, fitted.scale, 1.0)), axis=1))
    return {
        "kind": "combat",
        "digest": model_digest(fitted),
        "configuration": fitted.config.model_dump(mode="json"),
        "sites": {
            name: {
                "cases": count,
                "root_mean_square_shift": float(shift[code]),
                "geometric_mean_variance_ratio": float(spread[code]),
            }
            for code, (name, count) in enumerate(zip(fitted.sites, fitted.counts, strict=True))
        },
        "cases": sum(fitted.counts),
        "features": list(fitted.features),
        "passed_through": [
            name for name, flag in zip(fitted.features, fitted.passed_through, strict=True) if flag
        ],
        "covariates": {
            **{name: {"range": list(ends)} for name, ends in fitted.design.ranges.items()},
            **{name: {"levels": list(known)} for name, known in fitted.design.levels.items()},
        },
        "made_by": dict(made_by),
    }
