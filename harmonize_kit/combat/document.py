"""A fitted ComBat as a plain document and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from harmonize_kit.combat.design import CovariateDesign
from harmonize_kit.combat.formula import parse_formula
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.spline_basis import DEGREE, SmoothTerm
from harmonize_kit.config.combat import ComBatConfig
from harmonize_kit.errors import IntegrityError

DocumentKind = TypeVar("DocumentKind", bound=BaseModel)
_PER_FEATURE = ("passed_through", "grand_mean", "pooled_sd")
_PER_SITE = ("location", "scale", "raw_location", "raw_scale")


class SmoothDocument(BaseModel):
    """A smooth covariate: its name and training range; knots and centre are arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lower: float
    upper: float


class ComBatDocument(BaseModel):
    """What ``model.json`` says of a fitted ComBat; names and ranges only, no subject."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: ComBatConfig
    formula: str
    ranges: dict[str, tuple[float, float]]
    levels: dict[str, tuple[str, ...]]
    design_names: tuple[str, ...]
    smooths: tuple[SmoothDocument, ...] = ()
    features: tuple[str, ...]
    sites: tuple[str, ...]
    counts: tuple[int, ...]
    adapted: tuple[str, ...] = ()


def to_document(model: FittedComBat) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the document and the arrays of ``model``."""
    terms = model.design.smooths
    document = ComBatDocument(
        config=model.config,
        formula=model.design.formula,
        ranges=dict(model.design.ranges),
        levels=dict(model.design.levels),
        design_names=model.design.names,
        smooths=tuple(
            SmoothDocument(name=term.name, lower=term.lower, upper=term.upper) for term in terms
        ),
        features=model.features,
        sites=model.sites,
        counts=model.counts,
        adapted=model.adapted,
    )
    arrays = {name: getattr(model, name) for name in (*_PER_FEATURE, *_PER_SITE, "coefficients")}
    arrays |= {"design_centre": model.design.centre, "design_scale": model.design.scale}
    for number, term in enumerate(terms):
        arrays |= {f"smooth{number}_knots": term.knots, f"smooth{number}_centre": term.centre}
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
    known = validated(ComBatDocument, document, source)
    parsed = parse_formula(known.formula)
    smooth = {term.name for term in known.smooths}
    named = {*parsed.columns, *smooth}
    if parsed.text != known.formula or named != {*known.ranges, *known.levels}:
        raise IntegrityError(f"{source}: formula and covariates do not belong together")
    _require_consistent(known, source)
    smooths = tuple(
        _smooth_term(term, number, arrays, source) for number, term in enumerate(known.smooths)
    )
    p, k, q = len(known.features), len(known.sites), len(known.design_names)
    straight = q - sum(len(term.centre) for term in smooths)
    shapes = {name: (p,) for name in _PER_FEATURE} | {name: (k, p) for name in _PER_SITE}
    shapes |= {"coefficients": (q, p), "design_centre": (straight,), "design_scale": (straight,)}
    for name, shape in shapes.items():
        require_array(arrays, name, shape, source)
    if (arrays["scale"] < 0).any() or (arrays["pooled_sd"] <= 0).any():
        raise IntegrityError(f"{source}: a scale is negative")
    design = CovariateDesign(
        known.formula, known.ranges, known.levels, known.design_names,
        arrays["design_centre"], arrays["design_scale"], smooths,
    )  # fmt: skip
    own = {name: arrays[name] for name in (*_PER_FEATURE, *_PER_SITE, "coefficients")}
    own["passed_through"] = own["passed_through"].astype(np.bool_)
    return FittedComBat(
        config=known.config,
        design=design,
        features=known.features,
        sites=known.sites,
        counts=known.counts,
        adapted=known.adapted,
        **own,
    )


def validated(kind: type[DocumentKind], document: Mapping[str, Any], source: str) -> DocumentKind:
    """Return a document of ``kind``, or say which field is not as it should be."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IntegrityError(f"{source}: field '{where}': {first['msg']}") from error


def require_array(
    arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], source: str
) -> NDArray[Any]:
    """Return an array of a model after proving its shape, -1 for any length, and its numbers."""
    if name not in arrays:
        raise IntegrityError(f"{source}: expected '{name}' of shape {shape}, got no array")
    got = arrays[name].shape
    fits = len(got) == len(shape) and all(b in (-1, a) for a, b in zip(got, shape, strict=True))
    if not fits:
        raise IntegrityError(f"{source}: expected '{name}' of shape {shape}, got {got}")
    if arrays[name].dtype.kind not in "fb" or not np.isfinite(arrays[name]).all():
        raise IntegrityError(f"{source}: expected finite numbers in '{name}'")
    return arrays[name]


def _smooth_term(
    known: SmoothDocument, number: int, arrays: Mapping[str, NDArray[Any]], source: str
) -> SmoothTerm:
    knots = require_array(arrays, f"smooth{number}_knots", (-1,), source)
    centre = require_array(arrays, f"smooth{number}_centre", (len(knots) + DEGREE,), source)
    inside = ((knots >= 0) & (knots <= 1)).all() and (np.diff(knots) >= 0).all()
    if not inside or not known.lower < known.upper:
        raise IntegrityError(f"{source}: the knots of '{known.name}' are out of place")
    return SmoothTerm(known.name, known.lower, known.upper, knots, centre)


def _require_consistent(known: ComBatDocument, source: str) -> None:
    repeated = len(set(known.features)) < len(known.features)
    if repeated or len(known.counts) != len(known.sites):
        raise IntegrityError(f"{source}: features repeat, or sites and counts differ in number")
    if known.config.reference is not None and known.config.reference not in known.sites:
        raise IntegrityError(f"{source}: the reference is none of the sites")
