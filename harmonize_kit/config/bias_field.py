"""Settings of the correction of intensity inhomogeneity (N4)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Iterations = Annotated[int, Field(ge=1, le=1000)]
Length = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class BiasFieldConfig(BaseModel):
    """How N4 estimates the bias field (Tustison et al. 2010, IEEE Trans Med Imaging 29:1310).

    Parameters
    ----------
    shrink_factor : int
        Most voxels along an axis of which one is looked at. The field is smooth, so that every
        fourth voxel of a 1 mm head tells as much of it as all; it is applied to all.
    coarsest_mm : float
        Widest spacing that shrinking may lead to, in mm: 4.8 lets a 1.2 mm head be shrunk by 4, a
        2 mm head by 2, and slices 5 mm apart not at all.
    fewest_voxels : int
        Fewest voxels along an axis that shrinking may leave: a thin slab keeps its slices.
    iterations : tuple of int
        Most iterations at each fitting level; each level doubles the resolution of the spline.
        Four levels of 50 are the paper's.
    convergence_threshold : float
        A level ends when the coefficient of variation of the ratio between successive fields falls
        below it: 0.001 is the paper's.
    spline_distance_mm : float
        Distance of the knots at the coarsest level, in mm. 240 makes the finest of four levels
        30 mm: what four control points and four levels, the paper's, are on a head in a 240 mm
        field of view. In mm, it is the same in every field of view; knots nearer than that follow
        anatomy: 20 mm more than doubled the error on a template with a known field.
    histogram_bins : int
        Bins of the log intensities that are sharpened: 200, as in N3 and N4.
    wiener_noise : float
        Noise term of the Wiener filter that sharpens them: 0.01, as in N3 and N4.
    fwhm : float
        Full width at half maximum of the Gaussian taken to have blurred them: 0.15, as in N3 and
        N4.
    save_bias : bool
        Whether the field is kept beside the images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrink_factor: int = Field(default=4, ge=1, le=16)
    coarsest_mm: Length = 4.8
    fewest_voxels: int = Field(default=24, ge=4)
    iterations: tuple[Iterations, ...] = Field(default=(50, 50, 50, 50), min_length=1, max_length=8)
    convergence_threshold: float = Field(default=0.001, ge=0.0, lt=1.0)
    spline_distance_mm: Length = 240.0
    histogram_bins: int = Field(default=200, ge=16, le=4096)
    wiener_noise: float = Field(default=0.01, ge=0.0, allow_inf_nan=False)
    fwhm: Length = 0.15
    save_bias: bool = False
