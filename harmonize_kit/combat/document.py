"""A fitted ComBat as a plain document and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.combat.formula import parse_formula
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.errors import IntegrityError

KIND = "combat"
_PER_FEATURE = ("passed_through", "grand_mean", "pooled_sd")
_PER_SITE = ("location", "scale", "raw_location", "raw_scale")


class ComBatDocument(BaseModel):
    """What ``model.json`` says of a fitted ComBat; names and ranges only, no subject."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: ComBatConfig
    formula: str
    ranges: dict[str, tuple[float, float]]
    levels: dict[str, tuple[str, ...]]
    design_names: tuple[str, ...]
    features: tuple[str, ...]
    sites: tuple[str, ...]
    counts: tuple[int, ...]


def to_document(model: FittedComBat) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the document and the arrays of ``model``."""
    document = ComBatDocument(
        config=model.config,
        formula=model.design.formula,
        ranges=dict(model.design.ranges),
        levels=dict(model.design.levels),
        design_names=model.design.names,
        features=model.features,
        sites=model.sites,
        counts=model.counts,
    )
    arrays = {name: getattr(model, name) for name in (*_PER_FEATURE, *_PER_SITE, "coefficients")}
    arrays |= {"design_centre": model.design.centre, "design_scale": model.design.scale}
    return document.model_dump(mode="json"), arrays


def from_document(
    document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], source: str = "model"
) -> FittedComBat:
    """Return the model a document and its arrays describe.

    Raises
    ------
    IntegrityError
        If a field is absent or unknown, or an array has not the shape the document implies.
    """
    try:
        known = ComBatDocument.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IntegrityError(f"{source}: field '{where}': {first['msg']}") from error
    if known.formula:
        parsed = parse_formula(known.formula)
        if parsed.text != known.formula or set(parsed.columns) != {*known.ranges, *known.levels}:
            raise IntegrityError(f"{source}: formula and covariates do not belong together")
    _require_consistent(known, source)
    p, k, q = len(known.features), len(known.sites), len(known.design_names)
    shapes = {name: (p,) for name in _PER_FEATURE} | {name: (k, p) for name in _PER_SITE}
    shapes |= {"coefficients": (q, p), "design_centre": (q,), "design_scale": (q,)}
    for name, shape in shapes.items():
        got = arrays[name].shape if name in arrays else "no array"
        if got != shape:
            raise IntegrityError(f"{source}: expected '{name}' of shape {shape}, got {got}")
        if arrays[name].dtype.kind not in "fb" or not np.isfinite(arrays[name]).all():
            raise IntegrityError(f"{source}: expected finite numbers in '{name}'")
    if (arrays["scale"] < 0).any() or (arrays["pooled_sd"] <= 0).any():
        raise IntegrityError(f"{source}: a scale is negative")
    design = CovariateDesign(
        known.formula, known.ranges, known.levels, known.design_names,
        arrays["design_centre"], arrays["design_scale"],
    )  # fmt: skip
    own = {name: arrays[name] for name in (*_PER_FEATURE, *_PER_SITE, "coefficients")}
    own["passed_through"] = own["passed_through"].astype(np.bool_)
    return FittedComBat(
        config=known.config,
        design=design,
        features=known.features,
        sites=known.sites,
        counts=known.counts,
        **own,
    )


def _require_consistent(known: ComBatDocument, source: str) -> None:
    repeated = len(set(known.features)) < len(known.features)
    if repeated or len(known.counts) != len(known.sites):
        raise IntegrityError(f"{source}: features repeat, or sites and counts differ in number")
    if known.config.reference is not None and known.config.reference not in known.sites:
        raise IntegrityError(f"{source}: the reference is none of the sites")
