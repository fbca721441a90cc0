"""Settings of registration: which scans move, onto what, and how hard it is tried."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

Millimetres = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class DeformableConfig(BaseModel):
    """How a brain is bent onto the template, on top of the affine.

    Parameters
    ----------
    iterations : tuple of int
        Steps at 8, 4 and 2 mm (the last at ``finest_mm``).
    smoothing : float
        SD, in voxels of each level, of the Gaussian that smooths the displacement after each step.
        1.5 fits a little closer, and folds at the rim of the brain.
    knots_mm : float
        Distance of the knots of the cubic B-spline that holds the displacement.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    iterations: tuple[PositiveInt, PositiveInt, PositiveInt] = (40, 40, 15)
    smoothing: float = Field(default=2.0, ge=0.5, le=10.0)
    knots_mm: float = Field(default=5.0, ge=2.0, le=50.0)


class RegistrationConfig(BaseModel):
    """How the scans of a case are brought together and onto a template.

    Parameters
    ----------
    mode : {"template", "native"}
        "template" resamples every image, once, onto the common grid. "native" leaves every image
        where it is, and moves masks and labels only: voxels that were never interpolated are what
        texture features are best measured on.
    reference : str, optional
        Modality that the others are moved to; the one with the finest voxels where none is named,
        because detail can be thrown away but not made.
    within : {"rigid", "none"}
        Movement between the scans of a subject. A head moves between two sequences, it does not
        change its shape: six degrees of freedom, and no more. It is tried even where the grids
        agree, for equal grids say that the scanner was told the same, not that the head lay still.
    template : str
        "mni152" (ICBM 2009a, symmetric, T1-weighted, skull-stripped, as nilearn ships it), the
        path of another image, or "none".
    template_mask : str, optional
        Path of the brain mask of a template given by path. Without one, what is not exactly 0 is
        its brain if it is skull-stripped.
    resolution : {1, 2}
        Voxel size in mm of the mni152 grid.
    grid : {"template", "brats"}
        "brats" is the grid of the BraTS challenges in size, 240 x 240 x 155 voxels of 1 mm,
        centred on the template's brain. The anatomy is still the template's, not SRI24's.
    to_template : {"affine", "rigid", "deformable", "none"}
        Affine takes position, size and shear from the head, twelve degrees of freedom; rigid keeps
        its size and shape, which volumes and shape features need. Deformable bends the brain after
        the affine, for atlases and maps of voxels: it takes its folds where the template has them,
        and every voxel to a size of its own, so it goes before no texture and no shape feature. It
        needs a stripped, T1-weighted reference; where it is no better, the affine is kept.
    deformable : DeformableConfig
        How it is bent.
    interpolation : {"linear", "bspline"}
        Linear never overshoots: at the edge of a stripped brain it makes no intensity that the
        scan does not have. Cubic B-splines are sharper; they are clipped to the range of the scan.
    samples : int
        Voxels drawn, at random with the seed, for the metric at each level. At 80 000, twice as
        many move the result by some hundredths of a mm.
    bins : int
        Grey levels of each side of the joint histogram (Mattes et al. 2003, IEEE TMI 22:120).
    iterations : int
        Most steps of the optimizer at each level; it usually stops earlier by itself.
    finest_mm : float
        Spacing of the finest level. Half of it costs more than twice the time and gained a few
        hundredths of a mm on a head of 1 mm voxels.
    least_shift_mm : float
        A movement within the subject smaller than this at every point of the brain counts as none:
        it is below what the method resolves, and interpolation would blur the image for nothing.
    scale_limits : tuple of float
        A note is made where the head was stretched by less or more: to reach MNI152, adult heads
        are stretched by up to about a quarter.
    dice_limit : float
        A note is made where brain mask and template's brain mask overlap less (Dice).
    seed : int
        Of the sampling. The same scans, configuration and seed give the same bits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["template", "native"] = "template"
    reference: str | None = None
    within: Literal["rigid", "none"] = "rigid"
    template: str = Field(default="mni152", min_length=1)
    template_mask: str | None = None
    resolution: Literal[1, 2] = 1
    grid: Literal["template", "brats"] = "template"
    to_template: Literal["affine", "rigid", "deformable", "none"] = "affine"
    deformable: DeformableConfig = Field(default_factory=DeformableConfig)
    interpolation: Literal["linear", "bspline"] = "linear"
    samples: int = Field(default=80_000, ge=1_000)
    bins: int = Field(default=32, ge=8, le=256)
    iterations: int = Field(default=60, ge=1)
    finest_mm: Millimetres = 2.0
    least_shift_mm: float = Field(default=0.2, ge=0.0, allow_inf_nan=False)
    scale_limits: tuple[Millimetres, Millimetres] = (0.7, 1.4)
    dice_limit: float = Field(default=0.85, ge=0.0, le=1.0)
    seed: int = Field(default=1, ge=1, lt=2**31)

    @property
    def uses_template(self) -> bool:
        """Whether the scans are registered to a template at all."""
        return self.template != "none" and self.to_template != "none"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.scale_limits[0] >= self.scale_limits[1]:
            raise ValueError(
                "scale_limits must be (low, high) with low below high, got "
                f"({self.scale_limits[0]:g}, {self.scale_limits[1]:g})"
            )
        if self.grid == "brats" and (not self.uses_template or self.resolution != 1):
            raise ValueError(
                "grid: brats is a grid of 1 mm around a template's brain; it needs a template, "
                "to_template: affine, rigid or deformable, and resolution: 1"
            )
        if self.template_mask is not None and self.template in ("mni152", "none"):
            raise ValueError(
                f"template_mask belongs to a template given by its path, got template: "
                f"{self.template}, which needs none"
            )
        return self
