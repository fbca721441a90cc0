"""Settings of the change to another voxel spacing."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Spacing = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class ResamplingConfig(BaseModel):
    """The spacing to go to, and how values are found there.

    Parameters
    ----------
    spacing : float or tuple of float
        Distance of voxel centres in mm, the same along all axes or one each along x, y, z; 0 keeps
        that of the axis, as in PyRadiomics.
    interpolator : {"bspline", "linear"}
        Of the images: cubic B-splines keep edges and noise texture best (and are PyRadiomics'
        default), linear never leaves the range of the neighbours.
    labels : {"nearest", "majority"}
        Of masks and labels: the voxel whose centre is nearest, or the label with the largest
        share of the neighbourhood by linear interpolation.
    antialias : bool
        Whether an axis that becomes coarser by more than ``antialias_from`` is smoothed first, so
        that noise and edges finer than the new voxels do not fold back as texture. The Gaussian
        matches the point spread of the old voxels to that of the new ones (Cardoso et al. 2015,
        MICCAI, LNCS 9350:675). PyRadiomics does not smooth.
    antialias_from : float
        New over old spacing above which smoothing begins.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spacing: Spacing | tuple[Spacing, Spacing, Spacing] = 1.0
    interpolator: Literal["bspline", "linear"] = "bspline"
    labels: Literal["nearest", "majority"] = "nearest"
    antialias: bool = True
    antialias_from: float = Field(default=1.5, ge=1.0, allow_inf_nan=False)

    @property
    def spacing_xyz(self) -> tuple[float, float, float]:
        """Spacing along x, y, z; 0 keeps that of the axis."""
        spacing = self.spacing
        return (spacing, spacing, spacing) if isinstance(spacing, float | int) else spacing

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not any(self.spacing_xyz):
            raise ValueError(
                "spacing must name a spacing for at least one axis, got 0 for all; leave the stage "
                "out to keep the grid"
            )
        return self
