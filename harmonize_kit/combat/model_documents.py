"""Every kind of fitted model as a plain document and arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from harmonize_kit.combat.covbat import ScoreCorrection
from harmonize_kit.combat.covbat_model import FittedCovBat
from harmonize_kit.combat.document import (
    ComBatDocument,
    from_document,
    require_array,
    to_document,
    validated,
)
from harmonize_kit.combat.kinds import Fitted
from harmonize_kit.combat.longitudinal import SubjectModel
from harmonize_kit.combat.longitudinal_model import FittedLongitudinalComBat
from harmonize_kit.combat.model import FittedComBat
from harmonize_kit.combat.nested import FittedNestedComBat
from harmonize_kit.config.combat import CovBatConfig, LongitudinalComBatConfig
from harmonize_kit.errors import IntegrityError

Arrays = Mapping[str, NDArray[Any]]
Document = Mapping[str, Any]
_SCORES = ("centre", "spread", "rotation", "target", "location", "scale")


class CovBatDocument(BaseModel):
    """What ``model.json`` says of a fitted CovBat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: CovBatConfig
    combat: ComBatDocument


class LongitudinalDocument(BaseModel):
    """What ``model.json`` says of a fitted longitudinal ComBat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: LongitudinalComBatConfig
    combat: ComBatDocument


class NestedDocument(BaseModel):
    """What ``model.json`` says of a fitted nested ComBat."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: tuple[ComBatDocument, ...]


def describe(fitted: Fitted) -> tuple[str, dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the kind, the document and the arrays of a fitted model."""
    if isinstance(fitted, FittedComBat):
        return ("combat", *to_document(fitted))
    if isinstance(fitted, FittedNestedComBat):
        stages = [to_document(stage) for stage in fitted.stages]
        arrays = {
            f"stage{number}_{name}": array
            for number, (_, own) in enumerate(stages)
            for name, array in own.items()
        }
        return "nested", {"stages": [document for document, _ in stages]}, arrays
    document, arrays = to_document(fitted.combat)
    body = {"config": fitted.config.model_dump(mode="json"), "combat": document}
    if isinstance(fitted, FittedCovBat):
        arrays |= {f"scores_{name}": getattr(fitted.scores, name) for name in _SCORES}
        return "covbat", body, arrays
    arrays |= {
        "subjects_site_effects": fitted.subjects.site_effects,
        "subjects_ratio": fitted.subjects.ratio,
    }
    return "longitudinal", body, arrays


def restore(kind: str, document: Document, arrays: Arrays, source: str = "model") -> Fitted:
    """Return the model that a kind, a document and its arrays describe.

    Raises
    ------
    IntegrityError
        If the kind is unknown, a field is absent or unknown, or an array has not its shape.
    """
    if kind not in _READERS:
        raise IntegrityError(
            f"{source}: expected a model of kind {', '.join(_READERS)}, got '{kind}'; "
            "update harmonize_kit if a newer version wrote it"
        )
    return _READERS[kind](document, arrays, source)


def _covbat(document: Document, arrays: Arrays, source: str) -> FittedCovBat:
    known = validated(CovBatDocument, document, source)
    combat = from_document(document["combat"], arrays, source)
    p, k = len(combat.features), len(combat.sites)
    m = require_array(arrays, "scores_target", (-1,), source).shape[0]
    shapes = {"centre": (p,), "spread": (p,), "rotation": (p, m), "target": (m,)}
    shapes |= {"location": (k, m), "scale": (k, m)}
    scores = {
        name: require_array(arrays, f"scores_{name}", shapes[name], source) for name in _SCORES
    }
    if (scores["spread"] <= 0).any() or (scores["scale"] <= 0).any():
        raise IntegrityError(f"{source}: a scale is negative")
    return FittedCovBat(known.config, combat, ScoreCorrection(**scores))


def _longitudinal(document: Document, arrays: Arrays, source: str) -> FittedLongitudinalComBat:
    known = validated(LongitudinalDocument, document, source)
    combat = from_document(document["combat"], arrays, source)
    p, k = len(combat.features), len(combat.sites)
    effects = require_array(arrays, "subjects_site_effects", (k, p), source)
    ratio = require_array(arrays, "subjects_ratio", (p,), source)
    if (ratio < 0).any():
        raise IntegrityError(f"{source}: a variance is negative")
    return FittedLongitudinalComBat(known.config, combat, SubjectModel(effects, ratio))


def _nested(document: Document, arrays: Arrays, source: str) -> FittedNestedComBat:
    known = validated(NestedDocument, document, source)
    if not known.stages or len({stage.features for stage in known.stages}) > 1:
        raise IntegrityError(f"{source}: the stages do not belong together")
    stages: list[FittedComBat] = []
    for number, stage in enumerate(document["stages"]):
        before = f"stage{number}_"
        own = {
            name.removeprefix(before): array
            for name, array in arrays.items()
            if name.startswith(before)
        }
        stages.append(from_document(stage, own, f"{source}, stage {number + 1}"))
    return FittedNestedComBat(tuple(stages))


_READERS: dict[str, Callable[[Document, Arrays, str], Fitted]] = {
    "combat": from_document,
    "covbat": _covbat,
    "longitudinal": _longitudinal,
    "nested": _nested,
}
