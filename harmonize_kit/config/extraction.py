"""Extraction parameters: PyRadiomics' parameter file, unchanged."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harmonize_kit.errors import did_you_mean

IMAGE_TYPES = (
    "Original", "LoG", "Wavelet", "Square", "SquareRoot", "Logarithm", "Exponential", "Gradient",
    "LBP2D", "LBP3D",
)  # fmt: skip
FEATURE_CLASSES = (
    "firstorder", "shape", "shape2D", "glcm", "glrlm", "glszm", "gldm", "ngtdm",
)  # fmt: skip
SETTINGS = (
    "minimumROIDimensions", "minimumROISize", "geometryTolerance", "correctMask",
    "additionalInfo", "label", "label_channel", "binWidth", "binCount", "normalize",
    "normalizeScale", "removeOutliers", "resampledPixelSpacing", "interpolator", "padDistance",
    "distances", "force2D", "force2Ddimension", "resegmentRange", "resegmentMode",
    "resegmentShape", "preCrop", "sigma", "start_level", "level", "wavelet",
    "gradientUseSpacing", "lbp2DRadius", "lbp2DSamples", "lbp2DMethod", "lbp3DLevels",
    "lbp3DIcosphereRadius", "lbp3DIcosphereSubdivision", "voxelArrayShift", "symmetricalGLCM",
    "weightingNorm", "gldm_a",
)  # fmt: skip
VOXEL_SETTINGS = ("kernelRadius", "maskedKernel", "initValue", "voxelBatch")


class ExtractionConfig(BaseModel):
    """What PyRadiomics is told, in its own words.

    Names are checked here, so that a misspelt one is told with the nearest right one; values are
    checked by PyRadiomics' own schema before any case runs.

    Parameters
    ----------
    imageType : mapping
        Filters, each with its settings; none means ``Original``.
    featureClass : mapping
        Feature classes, each with a list of features or nothing for all; none means all.
    setting : mapping
        Discretisation, resampling, normalisation and so on.
    voxelSetting : mapping
        Settings of feature maps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    imageType: dict[str, dict[str, Any] | None] = Field(default_factory=dict)  # noqa: N815
    featureClass: dict[str, list[str] | None] = Field(default_factory=dict)  # noqa: N815
    setting: dict[str, Any] = Field(default_factory=dict)
    voxelSetting: dict[str, Any] = Field(default_factory=dict)  # noqa: N815

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_default(cls, content: Any) -> Any:
        return {} if content is None else content

    @field_validator("imageType", "featureClass", "setting", "voxelSetting", mode="before")
    @classmethod
    def _empty_section(cls, section: Any) -> Any:
        return {} if section is None else section

    @field_validator("imageType")
    @classmethod
    def _known_images(
        cls, section: dict[str, dict[str, Any] | None]
    ) -> dict[str, dict[str, Any] | None]:
        _require_known(section, IMAGE_TYPES, "image type")
        for settings in section.values():
            _require_known(settings or {}, SETTINGS, "setting")
        # PyRadiomics fails on an image type without settings, which YAML users write as nothing.
        return {name: settings or {} for name, settings in section.items()}

    @field_validator("featureClass")
    @classmethod
    def _known_classes(cls, section: dict[str, list[str] | None]) -> dict[str, list[str] | None]:
        _require_known(section, FEATURE_CLASSES, "feature class")
        return section

    @field_validator("setting")
    @classmethod
    def _known_settings(cls, section: dict[str, Any]) -> dict[str, Any]:
        _require_known(section, SETTINGS, "setting")
        return section

    @field_validator("voxelSetting")
    @classmethod
    def _known_voxel_settings(cls, section: dict[str, Any]) -> dict[str, Any]:
        _require_known(section, VOXEL_SETTINGS, "voxel setting")
        return section

    @model_validator(mode="after")
    def _finite(self) -> Self:
        try:
            json.dumps(self.model_dump(), allow_nan=False)
        except ValueError as error:
            raise ValueError("settings must be finite numbers, got .inf or .nan") from error
        return self

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as PyRadiomics takes them; empty sections are left out."""
        return {name: value for name, value in self.model_dump().items() if value}


def _require_known(section: dict[str, Any], known: tuple[str, ...], kind: str) -> None:
    for name in section:
        if name not in known:
            raise ValueError(f"unknown {kind} '{name}'. {did_you_mean(name, known)}")
