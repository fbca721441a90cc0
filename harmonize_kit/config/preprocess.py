"""What preprocessing does to a cohort: which stages, in which order, each with its settings."""

from __future__ import annotations

import re
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harmonize_kit.config.bias_field import BiasFieldConfig
from harmonize_kit.config.intensity import IntensityConfig, ZScoreConfig
from harmonize_kit.config.quality import QualityConfig
from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.config.resampling import ResamplingConfig
from harmonize_kit.config.skull_strip import SkullStripConfig
from harmonize_kit.errors import ConfigError, did_you_mean

STAGE_NAMES = (
    "convert", "quality", "n4", "strip", "resample", "coregister", "register", "normalize",
)  # fmt: skip
ZSCORE = "zscore"


class PreprocessingConfig(BaseModel):
    """Stages of preprocessing, in order, and what each of them is told.

    Parameters
    ----------
    stages : tuple of str
        Names of stages in the order they run, each once.
    modalities : tuple of str
        Modalities that are taken, of those the cohort has; none means all.
    drawn_on : str, optional
        Modality on whose image the lesion labels were drawn; without it, the first image that has
        the same grid.
    nonfinite : {"error", "zero"}
        What becomes of voxels that are NaN or infinite: the case fails (NONFINITE), or they become
        0, as for tools that write NaN for the background.
    series : mapping of str to str, optional
        For a folder of DICOM series: patterns by modality, as ``{t1: "*t1*mprage*"}``, matched
        with what a series is called and with its folder. Without it, each series is a case.
    entities : mapping of str to str, optional
        For a BIDS dataset: of its images those with these entities, as ``{acq: highres}``.
    train : str, optional
        ``COLUMN=VALUE``: the cases that population methods of intensity are fitted on. Without it
        the cases whose column ``split`` is ``train``; without that column all, which is told.
    quality, n4, strip, resample, register, normalize
        Settings of the stage of that name; ``register`` also of ``coregister``. Settings of stages
        that do not run have no effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: tuple[str, ...] = Field(min_length=1)
    modalities: tuple[str, ...] = ()
    drawn_on: str | None = None
    nonfinite: Literal["error", "zero"] = "error"
    series: dict[str, str] | None = None
    entities: dict[str, str] | None = None
    train: str | None = None
    quality: QualityConfig = Field(default_factory=QualityConfig)
    n4: BiasFieldConfig = Field(default_factory=BiasFieldConfig)
    strip: SkullStripConfig = Field(default_factory=SkullStripConfig)
    resample: ResamplingConfig = Field(default_factory=ResamplingConfig)
    # Every class has a method 'register' through its metaclass, hence the other name.
    registration: RegistrationConfig = Field(default_factory=RegistrationConfig, alias="register")
    normalize: IntensityConfig = Field(default_factory=IntensityConfig)

    @model_validator(mode="before")
    @classmethod
    def _empty_section(cls, content: Any) -> Any:
        """Take a section without settings, which YAML calls nothing, as one with defaults."""
        if not isinstance(content, dict):
            return content
        given = cast(dict[str, Any], content)
        return {name: value for name, value in given.items() if value is not None}

    @field_validator("stages")
    @classmethod
    def _known_stages(cls, stages: tuple[str, ...]) -> tuple[str, ...]:
        for name in stages:
            if name not in STAGE_NAMES:
                raise ValueError(f"unknown stage '{name}'. {did_you_mean(name, STAGE_NAMES)}")
        repeated = sorted({name for name in stages if stages.count(name) > 1})
        if repeated:
            raise ValueError(f"each stage runs once, got '{repeated[0]}' twice")
        if "coregister" in stages and "register" in stages[: stages.index("coregister")]:
            raise ValueError("'coregister' must come before 'register', which does as much")
        if "convert" in stages[1:]:
            raise ValueError("'convert' must be the first stage: the others work on its images")
        return stages

    @field_validator("train")
    @classmethod
    def _column_and_value(cls, train: str | None) -> str | None:
        if train is not None and not re.fullmatch(r"[^=]+=.+", train):
            raise ValueError(f"expected COLUMN=VALUE, such as fold=1, got '{train}'")
        return train

    def settings_of(self, stage: str) -> BaseModel | None:
        """Return the settings of a stage, or None where it has none.

        ``coregister`` has those of ``register``, which then leaves the scans of a subject as they
        lie to each other.
        """
        if stage == "register" and "coregister" in self.stages:
            return self.registration.model_copy(update={"within": "none"})
        field = "registration" if stage in ("register", "coregister") else stage
        return getattr(self, field, None)

    @model_validator(mode="after")
    def _drawn_on_one_of_them(self) -> Self:
        if self.modalities and self.drawn_on not in (None, *self.modalities):
            raise ValueError(
                f"drawn_on must be one of the modalities {', '.join(self.modalities)}, got "
                f"'{self.drawn_on}'"
            )
        return self


def with_stages(config: PreprocessingConfig, text: str) -> PreprocessingConfig:
    """Return a configuration that runs the stages of ``"n4,zscore"``, and only those.

    They run in the order they are named in. ``zscore`` is ``normalize`` with the z-score for all
    modalities, as the configuration has it if that is its default.

    Raises
    ------
    ConfigError
        If a name is unknown or comes twice.
    """
    names = [part.strip() for part in text.split(",")]
    document = config.model_dump(by_alias=True)
    document["stages"] = ["normalize" if name == ZSCORE else name for name in names]
    if ZSCORE in names:
        default = config.normalize.default
        own = default if isinstance(default, ZScoreConfig) else ZScoreConfig()
        document["normalize"] = IntensityConfig(default=own).model_dump()
    try:
        return PreprocessingConfig.model_validate(document)
    except ValueError as error:
        reason = str(error).partition("Value error, ")[2].partition(" [type=")[0]
        raise ConfigError(f"--stages {text}: {reason or error}") from error
