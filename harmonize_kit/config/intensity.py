"""Choices of the intensity normalisation: a method for every modality, and exceptions by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harmonize_kit.config.intensity_methods import (
    AnyMethod,
    FuzzyCMeansConfig,
    PeakMethod,
    PopulationMethod,
    ZScoreConfig,
    contrast_of,
)


def _by_name(value: object) -> object:
    return {"method": value} if isinstance(value, str) else value


Method = Annotated[
    Annotated[AnyMethod, Field(discriminator="method")], BeforeValidator(_by_name)
]  # fmt: skip


class IntensityConfig(BaseModel):
    """How intensities are normalised.

    A method is written with its options, ``{method: percentile, high: 99.5}``, or by its name
    alone.

    Parameters
    ----------
    default : method
        For every modality that ``modalities`` does not name. The z-score needs neither training
        cases nor a brain.
    modalities : mapping of str to method
        By modality, without regard to case: ``{ct: none}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: Method = ZScoreConfig()
    modalities: dict[str, Method] = {}

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if len({name.casefold() for name in self.modalities}) < len(self.modalities):
            raise ValueError(f"a modality is named twice: {', '.join(self.modalities)}")
        return self

    def of(self, modality: str) -> AnyMethod:
        """Return the method for a modality."""
        known = {name.casefold(): method for name, method in self.modalities.items()}
        return known.get(modality.casefold(), self.default)

    def to_fit(self, modalities: Iterable[str]) -> tuple[str, ...]:
        """Return those of the modalities whose method learns from training cases."""
        return tuple(name for name in modalities if isinstance(self.of(name), PopulationMethod))

    def problems(self, modalities: Iterable[str]) -> list[str]:
        """Return what would fail in every case of a cohort with these modalities, in sentences."""
        found: list[str] = []
        names = tuple(modalities)
        for name in names:
            method = self.of(name)
            source = method.classes_from if isinstance(method, FuzzyCMeansConfig) else None
            if source is not None and source not in names:
                found.append(
                    f"normalize, modality '{name}': classes_from names '{source}', which is none "
                    f"of the modalities {', '.join(names)}"
                )
            if isinstance(method, PeakMethod) and method.peak is not None:
                continue
            if isinstance(method, PeakMethod | FuzzyCMeansConfig):
                found += _contrast_problem(source or name, method)
        return found


def _contrast_problem(name: str, method: PeakMethod | FuzzyCMeansConfig) -> list[str]:
    contrast = contrast_of(name, method.contrast)
    if contrast is not None and not (contrast == "pd" and isinstance(method, FuzzyCMeansConfig)):
        return []
    return [
        f"normalize, modality '{name}': its name tells no contrast that this method can use; "
        "state it as the option 'contrast' of the method"
    ]
