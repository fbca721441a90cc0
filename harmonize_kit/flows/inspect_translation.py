"""What a model of translation was fitted or trained on, whichever kind it is, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.intensity_methods import PopulationMethod
from harmonize_kit.flows.translate_by_image import ByImage
from harmonize_kit.flows.translate_by_site import BySite, SiteMap
from harmonize_kit.flows.translate_fitted import read_fitted
from harmonize_kit.flows.translate_load import holds_networks, model_digest
from harmonize_kit.flows.translate_tables import NETWORK
from harmonize_kit.translation.atlas_template import AtlasTemplate
from harmonize_kit.translation.model_document import DEGRADATION, SPACING, read_model_document

IMAGE = "Image"  # what the only modality is called where it has no name of its own


def inspect_translation(folder: Path) -> dict[str, Any]:
    """Return a description of a model of translation, as plain values.

    Root mean squares are of what is added to intensities: over the quantiles of a curve, and over
    the voxels where a field or template is not zero.

    Raises
    ------
    ConfigError, IntegrityError
        If there is no model, or it was damaged or changed.
    """
    return _networks(folder) if holds_networks(folder) else _fitted(folder)


def _networks(folder: Path) -> dict[str, Any]:
    told = read_model_document(folder)
    trained: Mapping[str, Any] = told["trained_on"]
    counts: Mapping[str, int] = trained["cases"]
    return {
        "kind": NETWORK,
        "digest": model_digest(folder),
        "configuration": {
            "generator": told["generator"],
            "objective": trained["objective"],
            "training": trained["training"],
        },
        "modalities": [name or IMAGE for name in told["modalities"]],
        "reference": told["reference"],
        "serves_any_site": bool(told["universal"]),
        "takes_back_to": list(told["sites"]),
        "cases": sum(counts.values()),
        "sites": {site: {"cases": count} for site, count in sorted(counts.items())},
        "steps": trained["steps"],
        "spacing_mm": trained.get(SPACING),
        "degradation": trained.get(DEGRADATION),
        "trained_on_sha256": trained["slices_sha256"],
        "made_by": {},
    }


def _fitted(folder: Path) -> dict[str, Any]:
    model, told, made_by = read_fitted(folder)
    names = [name or IMAGE for name in told.modalities]
    changes = (
        {site: _change(known, names) for site, known in model.maps.items()}
        if isinstance(model, BySite) else {}
    )  # fmt: skip
    return {
        "kind": told.config.method,
        "digest": model_digest(folder),
        "configuration": {
            **told.config.model_dump(mode="json"),
            "smooth": told.config.smoothing or None,
        },
        "modalities": names,
        "reference": told.reference,
        "serves_any_site": isinstance(model, ByImage),
        "takes_back_to": list(told.sites),
        "cases": sum(told.cases.values()),
        "left_out": told.left_out,
        "sites": {
            site: {"cases": count, **changes.get(site, {})}
            for site, count in sorted(told.cases.items())
        },
        **({"scale": _scale(model)} if isinstance(model, ByImage) else {}),
        **({"grid": told.grid.model_dump(mode="json")} if told.grid else {}),
        "trained_on_sha256": told.trained_on_sha256,
        "made_by": dict(made_by),
    }


def _scale(model: ByImage) -> dict[str, Any]:
    """Return what images are brought to, by modality."""
    found: dict[str, Any] = {}
    for place, modality in enumerate(model.modalities):
        method = model.intensity.config.of(modality)
        if isinstance(method, PopulationMethod):
            values = model.intensity.landmarks[modality].tolist()
            told: dict[str, Any] = {"percentiles": list(method.percentiles), "intensities": values}
        else:
            told = {"mean": float(model.mean[place]), "sd": float(model.sd[place])}
        found[modality or IMAGE] = told
    return found


def _change(known: SiteMap, names: list[str]) -> dict[str, dict[str, float]]:
    """Return how much is added to images of a site, by modality."""
    if isinstance(known, AtlasTemplate):
        return {"root_mean_square_template": _by_modality(known.difference, names)}
    added = np.sqrt(np.mean((known.values - known.knots) ** 2, axis=1))
    curve = {name: float(value) for name, value in zip(names, added, strict=True)}
    found = {"root_mean_square_curve": curve}
    if known.field is not None:
        found["root_mean_square_field"] = _by_modality(known.field, names)
    return found


def _by_modality(added: NDArray[Any], names: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, channel in zip(names, added, strict=True):
        some: NDArray[np.float64] = channel[channel != 0].astype(np.float64)
        found[name] = float(np.sqrt(np.mean(some**2))) if some.size else 0.0
    return found
