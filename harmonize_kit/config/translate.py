"""All choices of a training of image-level harmonization, as one file."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harmonize_kit.config.translation import (
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    TrainingConfig,
)

Share = Annotated[float, Field(ge=0, le=1)]


class DifferencesConfig(BaseModel):
    """How far sites may differ in what no translation is to learn.

    A network that is to make the images of one site look like those of another learns whatever
    tells them apart. Where one site has more tumours, or older people, it learns to add or remove
    tumours and years (Cohen et al. 2018).

    Parameters
    ----------
    share : float
        Largest difference of a share between a site and the reference: of cases with a lesion, of
        a level of a covariate (women, say).
    standardised : float
        Largest difference of the means of a continuous covariate in pooled standard deviations; 0.5
        is what Cohen (1988) called medium, and a difference one can see.
    lesion_load : float
        Largest ratio of the typical (geometric mean) load of cases with a lesion, as batches are
        drawn.
    alike : tuple of str, optional
        Columns that are held to these bounds as they are. Those that batches are matched on are
        held to them as they are drawn. None takes the columns that are called as age and sex are,
        unless batches are matched on them or a case has no value; an empty list takes none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: Share = 0.2
    standardised: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5
    lesion_load: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    alike: tuple[str, ...] | None = None


class TranslationConfig(BaseModel):
    """Networks, what they are asked for, how they are trained, and on what.

    Parameters
    ----------
    generator, discriminator, objective, training
        See :mod:`harmonize_kit.config.translation`. Channels that are not said are as many as there
        are modalities.
    differences : DifferencesConfig
    reference : str, optional
        The site whose look images get.
    match : tuple of str
        Covariates that batches are matched on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    differences: DifferencesConfig = DifferencesConfig()
    reference: str | None = None
    match: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _of_slices_or_patches(self) -> Self:
        ours, theirs = self.generator.dimensions, self.discriminator.dimensions
        if ours != theirs:
            raise ValueError(
                f"generator and discriminator see the same images, got dimensions {ours} and "
                f"{theirs}"
            )
        if ours == 3 and self.training.crop is None:
            raise ValueError("dimensions: 3 needs training.crop, the voxels a side of a patch")
        return self

    @model_validator(mode="after")
    def _pairs_show_one_place(self) -> Self:
        if self.objective.adversarial == "paired" and not self.training.same_place:
            raise ValueError(
                "objective.adversarial: paired compares images of one place; leave "
                "training.same_place at true, or take another objective"
            )
        return self

    def with_channels(self, count: int) -> TranslationConfig:
        """Return the choices for images of ``count`` modalities.

        Raises
        ------
        ValueError
            If a network was given another number of channels.
        """
        sections: dict[str, GeneratorConfig | DiscriminatorConfig] = {}
        for name in ("generator", "discriminator"):
            own: GeneratorConfig | DiscriminatorConfig = getattr(self, name)
            if "channels" in own.model_fields_set and own.channels != count:
                raise ValueError(
                    f"{name}.channels is {own.channels}, and there are {count} modalities; leave "
                    "channels out, or choose the modalities with --modalities"
                )
            sections[name] = own.model_copy(update={"channels": count})
        return self.model_copy(update=sections)
