"""What the methods that learn from training cases learn: mean landmarks, by modality.

A case tells of itself its landmarks alone, so that training cases may be summarised one by one and
anywhere; what is kept is their mean and their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harmonize_kit.config.intensity import IntensityConfig
from harmonize_kit.config.intensity_methods import NyulConfig, PopulationMethod
from harmonize_kit.core.digest import digest_arrays, digest_value
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import IntegrityError, PreprocessingError, TableError
from harmonize_kit.preprocess.histogram_matching import mean_quantiles
from harmonize_kit.preprocess.intensity_curve import landmarks_of
from harmonize_kit.preprocess.nyul import standard_scale

KIND = "intensity"
FEWEST = 2


@dataclass(frozen=True)
class FittedIntensity:
    """Configuration and learned state of an intensity normalisation.

    Parameters
    ----------
    config : IntensityConfig
    landmarks : mapping of str to ndarray, shape (k,)
        By modality, for those whose method learns: the standard scale of Nyul and Udupa, or the
        mean quantiles of histogram matching.
    counts : mapping of str to int
        Training cases of each.
    """

    config: IntensityConfig
    landmarks: Mapping[str, NDArray[np.float64]]
    counts: Mapping[str, int]

    @property
    def digest(self) -> str:
        """SHA-256 of all that this is, in hexadecimal."""
        document, arrays = to_document(self)
        return digest_value([document, digest_arrays(arrays)])


class IntensityDocument(BaseModel):
    """What ``model.json`` says of a fitted normalisation; the landmarks are arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: IntensityConfig
    modalities: tuple[str, ...]
    counts: tuple[int, ...] = Field(default=())


def summarize(volume: Volume, config: IntensityConfig, modality: str = "") -> list[float]:
    """Return what a training case tells of itself: the landmarks of its histogram.

    Empty where the method of the modality learns nothing.

    Raises
    ------
    PreprocessingError
        If the foreground cannot be told, is empty, constant or not finite.
    """
    method = config.of(modality)
    if not isinstance(method, PopulationMethod):
        return []
    try:
        return landmarks_of(volume, method)
    except PreprocessingError as error:
        raise PreprocessingError(f"normalize, modality '{modality}': {error.message}") from error


def fit_intensities(
    summaries: Mapping[str, Sequence[Sequence[float]]], config: IntensityConfig
) -> FittedIntensity:
    """Return what the training cases have in common.

    Only training cases may be among them: a test case that took part in the scale that it is
    later mapped to is no longer held out.

    Parameters
    ----------
    summaries : mapping of str to sequence of sequence of float
        What :func:`summarize` gave for each training case, by modality; modalities whose method
        learns nothing are passed over. The order of the cases does not matter but for rounding.
    config : IntensityConfig

    Raises
    ------
    TableError
        If a modality has fewer than two cases: the mean of one would be that subject's histogram.
    """
    landmarks: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    for modality, cases in summaries.items():
        method = config.of(modality)
        if not isinstance(method, PopulationMethod):
            continue
        if len(cases) < FEWEST:
            raise TableError(
                f"normalize, modality '{modality}': {method.method} expects at least {FEWEST} "
                f"training cases, got {len(cases)}; use a method that needs none, such as z-score"
            )
        landmarks[modality] = _mean_landmarks(np.asarray(cases, dtype=np.float64), method)
        counts[modality] = len(cases)
    return FittedIntensity(config, landmarks, counts)


def to_document(fitted: FittedIntensity) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the document and the arrays of a fitted normalisation."""
    names = tuple(sorted(fitted.landmarks))
    document = IntensityDocument(
        config=fitted.config, modalities=names, counts=tuple(fitted.counts[n] for n in names)
    )
    arrays = {f"landmarks{i}": fitted.landmarks[name] for i, name in enumerate(names)}
    return document.model_dump(mode="json"), arrays


def from_document(
    document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], source: str = "model"
) -> FittedIntensity:
    """Return the fitted normalisation that a document and its arrays describe.

    Raises
    ------
    IntegrityError
        If a field is absent or unknown, or landmarks are absent, of another number than the
        configuration names, not finite, or falling.
    """
    try:
        known = IntensityDocument.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IntegrityError(f"{source}: field '{where}': {first['msg']}") from error
    if len(known.counts) != len(known.modalities):
        raise IntegrityError(f"{source}: modalities and counts differ in number")
    landmarks: dict[str, NDArray[np.float64]] = {}
    for number, modality in enumerate(known.modalities):
        method = known.config.of(modality)
        array = arrays.get(f"landmarks{number}")
        if not isinstance(method, PopulationMethod) or array is None:
            raise IntegrityError(f"{source}: expected landmarks of '{modality}', got none")
        shape = (len(method.percentiles),)
        sound = array.shape == shape and array.dtype.kind == "f" and np.isfinite(array).all()
        if not sound or (np.diff(array) < 0).any() or array[0] == array[-1]:
            raise IntegrityError(
                f"{source}: expected {shape[0]} rising, finite landmarks of '{modality}'"
            )
        landmarks[modality] = array.astype(np.float64)
    return FittedIntensity(
        known.config, landmarks, dict(zip(known.modalities, known.counts, strict=True))
    )


def _mean_landmarks(cases: NDArray[np.float64], method: PopulationMethod) -> NDArray[np.float64]:
    expected = (len(method.percentiles),)
    if cases.shape[1:] != expected or not np.isfinite(cases).all():
        raise ValueError(f"expected {expected[0]} finite landmarks a case, got {cases.shape[1:]}")
    if isinstance(method, NyulConfig):
        return standard_scale(cases, method)
    return mean_quantiles(cases)
