"""Choices of image-level harmonization: networks, objectives, training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harmonize_kit.config.training_augmentation import Augmentation

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class GeneratorConfig(BaseModel):
    """The network that changes an image of one site into one of another.

    Parameters
    ----------
    architecture : {"resnet", "unet", "custom"}
        "resnet" is the generator of Zhu et al. (2017, section 7.2): a 7 x 7 stem, two stride-2
        downsamplings, residual blocks, two upsamplings. "unet" has skip connections at every
        scale and no normalisation of features, which learns smooth contrast changes in fewer
        steps. "custom" is a class of the user's own.
    custom : str, optional
        ``package.module:Class`` of that class; its package must be allowed on the command line.
    channels : int
        Modalities of an image, each a channel.
    neighbours : int
        Slices seen on either side of the one that is changed (2.5-D): the input has
        ``channels * (2 * neighbours + 1)`` channels, slice by slice.
    dimensions : {2, 3}
        Slices, or patches of the volume.
    features : int
        Channels after the stem; they double at every downsampling.
    blocks : int
        Residual blocks at the lowest resolution.
    head : {"residual", "direct"}
        "residual": output = input + change, the change starting at zero. A generator that has
        learned nothing then leaves images as they are, where "direct" (a tanh of its own,
        scaled to the intensities of the training slices) destroys them until it has learned to
        copy.
    smooth_field : bool
        Add to the residual head a gain and an offset that vary slowly over the image, as receive
        coils make them differ between scanners.
    field_mm, detail_mm : float
        In use, average the field, and what is changed besides, along the slices of a volume, with
        Gaussian weights of this standard deviation. Slices are translated one by one, and neither
        coils nor tissue jump between them. 0 leaves each slice its own.
    upsampling : {"resize", "transposed"}
        "resize" (nearest neighbour, then convolution) leaves no checkerboard (Odena et al. 2016);
        "transposed" is the published generator's, and cheaper.
    attention : bool
        Self-attention at the lowest resolution (Zhang et al. 2019), starting at zero.
    coordinates : bool
        Tell the network each voxel's place in the head, so that it may treat alike intensities
        differently by place: z, y and x, from -1 to 1 over the bounding box of the brain mask.
        Crops, padding and grids of other sizes tell the same place.
    degradation : {"none", "measured"}
        What ends the generators from the reference back to a site. "measured" is the blur and the
        white noise that the site shows and the reference does not, told before the training by
        the power spectra of both sites' slices
        (:mod:`harmonize_kit.translation.blur_and_noise`). What the way back has degraded by a
        known law, the generator towards the reference learns to restore; made by networks alone,
        it is hidden from them instead, since noise cannot come back through a cycle. In use the
        way back blurs, and adds no noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Literal["resnet", "unet", "custom"] = "resnet"
    custom: str | None = None
    channels: Positive = 1
    neighbours: Annotated[int, Field(ge=0)] = 0
    dimensions: Literal[2, 3] = 2
    features: Positive = 64
    blocks: Positive = 9
    head: Literal["residual", "direct"] = "residual"
    smooth_field: bool = False
    field_mm: NonNegative = 0.0
    detail_mm: NonNegative = 0.0
    upsampling: Literal["resize", "transposed"] = "resize"
    attention: bool = False
    coordinates: bool = False
    degradation: Literal["none", "measured"] = "none"

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if (self.architecture == "custom") != (self.custom is not None):
            raise ValueError(
                "architecture: custom and custom: package.module:Class go together, got "
                f"architecture {self.architecture} and custom {self.custom}"
            )
        if self.smooth_field and self.head == "direct":
            raise ValueError("smooth_field belongs to head: residual, got head: direct")
        if self.field_mm and not self.smooth_field:
            raise ValueError("field_mm is of a smooth field, which smooth_field: true makes")
        slices = self.architecture != "custom" and self.head == "residual" and self.dimensions == 2
        if (self.field_mm or self.detail_mm) and not slices:
            raise ValueError("field_mm and detail_mm are of the residual head of slices alone")
        if self.degradation != "none" and not slices:
            raise ValueError("degradation: measured is of the residual head of slices alone")
        if self.neighbours and self.dimensions == 3:
            raise ValueError("neighbours are of slices; with dimensions: 3 leave them at 0")
        return self


class DiscriminatorConfig(BaseModel):
    """The network that judges, patch by patch, whether an image is of a site.

    Parameters
    ----------
    architecture, custom
        "patch" is the 70 x 70 PatchGAN of Isola et al. (2017), or a class of the user's own.
    features : int
        Channels after the first layer; they double up to eightfold.
    layers : int
        Stride-2 layers; 3 give a receptive field of 70 voxels a side.
    spectral_norm : bool
        Bound the Lipschitz constant of every layer (Miyato et al. 2018).
    dimensions : {2, 3}
    sees_mask : bool
        Give it the mask as a channel, so that the shape of the head is no secret to be guessed.
    coordinates : bool
        Tell it each voxel's place in the head.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Literal["patch", "custom"] = "patch"
    custom: str | None = None
    channels: Positive = 1
    features: Positive = 64
    layers: Positive = 3
    spectral_norm: bool = True
    dimensions: Literal[2, 3] = 2
    sees_mask: bool = False
    coordinates: bool = False

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if (self.architecture == "custom") != (self.custom is not None):
            raise ValueError(
                "architecture: custom and custom: package.module:Class go together, got "
                f"architecture {self.architecture} and custom {self.custom}"
            )
        return self


class ObjectiveConfig(BaseModel):
    """What the networks are asked for, and how much each wish weighs.

    Parameters
    ----------
    adversarial : {"least-squares", "relativistic", "paired"}
        Mao et al. (2017), its relativistic average (Jolicoeur-Martineau 2019), or its relativistic
        pair: each made image against the real one that shows the same place of the head. Wants
        ``same_place`` batches and no replay.
    cycle, identity : float
        Weights of coming back to where one started, and of leaving images of the target site as
        they are (Zhu et al. 2017: 10 and 5).
    site_cycle : float, optional
        Weight of coming back to an image of a site through the reference, where it is to be another
        than ``cycle``. Whatever comes back must have been kept, and the noise of a site is not to
        be.
    cycle_field : float
        Lay a random smooth gain on what was made of a reference image before it comes back: the
        standard deviation of the coefficients of its logarithm, a cubic polynomial over what is
        shown. So the generator towards the reference is told, and not left to guess, that fields
        which differ from scan to scan are to be taken away.
    consistency : {"squared", "absolute"}
        Norm of both. With a residual head the absolute norm has its kink exactly where training
        starts, at no change, and can hold the generator there; squared does not.
    r1 : float
        Weight of the gradient penalty on real images (Mescheder et al. 2018, who sum over the
        output); 0 leaves it out.
    r1_every : int
        Turns of a site between its penalties, each then weighing that much more (Karras et al.
        2020).
    feature_matching : float
        Weight of alike mean features in the discriminator (Salimans et al. 2016).
    lesion : float
        Weight of keeping lesions' contrast to their surroundings, where masks tell them.
    structure : float
        Weight of keeping edges where they were (the correlation of image gradients).
    noise_gain : float
        Weight of the mean squared gain that white noise has on its way through the generator
        towards the reference; 1 is the gain where nothing is changed. It costs one pass more a
        step.
    replay : int
        Images kept of earlier generators, half of what the discriminator is shown being drawn
        from them (Shrivastava et al. 2017); 0 keeps none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    adversarial: Literal["least-squares", "relativistic", "paired"] = "least-squares"
    cycle: NonNegative = 10.0
    site_cycle: NonNegative | None = None
    cycle_field: Annotated[float, Field(ge=0, le=1)] = 0.0
    identity: NonNegative = 5.0
    consistency: Literal["squared", "absolute"] = "squared"
    r1: NonNegative = 0.0
    r1_every: Positive = 16
    feature_matching: NonNegative = 0.0
    lesion: NonNegative = 0.0
    structure: NonNegative = 0.0
    noise_gain: NonNegative = 0.0
    replay: Annotated[int, Field(ge=0)] = 50

    @property
    def draws(self) -> bool:
        """Whether something random is asked for in every step."""
        return self.noise_gain > 0 or self.cycle_field > 0

    @model_validator(mode="after")
    def _pairs_are_not_replayed(self) -> Self:
        if self.adversarial == "paired" and self.replay:
            raise ValueError(
                "adversarial: paired compares images of the same place, which replayed ones are "
                f"not; set replay: 0, got {self.replay}"
            )
        return self


class Phase(BaseModel):
    """A part of the training at one resolution.

    Parameters
    ----------
    steps : int
    shrink : int
        Voxels a side that are averaged into one: 2 first and 1 then learns contrast at a quarter
        of the cost before it learns detail.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Positive
    shrink: Positive = 1


class TrainingConfig(BaseModel):
    """How networks are trained.

    Parameters
    ----------
    phases : tuple of Phase
    batch : int
        Images of each of the two sites a step, on each process.
    accumulate : int
        Batches whose gradients are added up before the networks move.
    crop : int, optional
        Voxels a side of the random crops, or of patches, a multiple of 4; None takes slices whole.
    flip : bool
        Mirror images left to right at random.
    same_place : bool
        Show of both sites the same place of the head: slices (or middles of patches) at about the
        same height, a standard deviation of 1/32 of it apart, cropped and mirrored alike. A
        discriminator that compares like with like has a steadier gradient.
    augmentation : Augmentation, optional
        Vary them further; None does not.
    generator_rate, discriminator_rate : float
        Learning rates of Adam; the discriminator's is the greater (Heusel et al. 2017), so that one
        step each suffices.
    betas : tuple of float
        Of Adam.
    decay_from : float
        Share of the steps after which both rates fall linearly to zero (Zhu et al. 2017).
    average : float
        Decay of the running mean of the generators' weights, which is what is used (Yazici et al.
        2019).
    precision : {"fp32", "bf16", "fp16"}
        Of the convolutions; weights, losses and statistics stay in 32 bits.
    compile : bool
        Let torch.compile fuse the networks. Compiling takes minutes, and again at the next phase;
        on two processor cores it saved a ninth of a step of small networks, which pays after some
        fifteen thousand steps. On a GPU ``tests/benchmarks/training.py --compile`` tells. Steps
        with the gradient penalty (``objective.r1``) compute the discriminators' losses uncompiled.
        A training may go on with it or without.
    seed : int
        Of weights, batches, crops and the replay buffer.
    bandwidth : float
        Batches are matched on continuous covariates by a Gaussian kernel of this many standard
        deviations; see :mod:`harmonize_kit.translation.matching`.
    log_every, checkpoint_every : int
        Steps. What is logged are means since the last time, by site.
    keep : int
        Checkpoints kept.
    samples : int
        Training slices that a picture beside every checkpoint shows; 0 draws none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)] = (Phase(steps=2000),)
    batch: Positive = 4
    accumulate: Positive = 1
    crop: Annotated[int, Field(ge=16, multiple_of=4)] | None = None
    flip: bool = True
    same_place: bool = True
    augmentation: Augmentation | None = None
    generator_rate: Annotated[float, Field(gt=0)] = 1e-4
    discriminator_rate: Annotated[float, Field(gt=0)] = 4e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay_from: Annotated[float, Field(ge=0, le=1)] = 0.5
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    seed: int = 0
    bandwidth: Annotated[float, Field(gt=0)] = 0.5
    log_every: Positive = 50
    checkpoint_every: Positive = 500
    keep: Positive = 2
    samples: Annotated[int, Field(ge=0)] = 4

    @property
    def steps(self) -> int:
        """Steps in all."""
        return sum(phase.steps for phase in self.phases)

    def shrink_at(self, step: int) -> int:
        """Return how many voxels a side are averaged into one at a step, counted from 0."""
        for phase in self.phases:
            if step < phase.steps:
                return phase.shrink
            step -= phase.steps
        return self.phases[-1].shrink
