"""Settings of the assessment of image quality."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harmonize_kit.errors import did_you_mean

Contrast = Literal["t1", "t2", "flair"]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]

CONTRASTS: dict[str, Contrast] = {
    "": "t1", "t1": "t1", "t1w": "t1", "t1n": "t1", "mprage": "t1", "spgr": "t1",
    "t1c": "t1", "t1ce": "t1", "t1gd": "t1", "t1post": "t1",
    "t2": "t2", "t2w": "t2", "pd": "t2", "pdw": "t2",
    "flair": "flair", "fla": "flair", "t2f": "flair", "t2flair": "flair",
}  # fmt: skip
"""What a modality is called, in lower case, and how its tissues are ordered by intensity."""


class Limit(BaseModel):
    """Values of a measure that raise a flag: those below ``below`` and those above ``above``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    below: Number | None = None
    above: Number | None = None


HEAD_LIMITS: dict[str, Limit] = {
    # Together beyond 1 in 100 of the scans of ABIDE that all raters accepted, by MRIQC's measures;
    # wider where other spacings ask it.
    "cjv": Limit(above=1.2),
    "cnr": Limit(below=0.8),
    "snr_total": Limit(below=5.0),
    "snrd_total": Limit(below=2.0),
    "efc": Limit(above=0.95),
    "qi_1": Limit(above=0.03),
    "inu_range": Limit(above=0.8),
    # A ghost of a twentieth of the signal can be seen; healthy heads stay below a fiftieth.
    "gsr_x": Limit(above=0.05),
    "gsr_y": Limit(above=0.05),
    "gsr_z": Limit(above=0.05),
    # A fifth of the largest cross-section is the scalp about a centimetre below its top.
    "cut_top": Limit(above=0.2),
    "cut_brain": Limit(above=0.3),
}
"""Limits for images of a head that lies whole in air."""

LIMITS: dict[str, Limit] = {
    # Neighbouring slices of healthy heads differ by less than a tenth, odd from even ones by less
    # than a hundredth where slices are many, and two hundredths where there are 20.
    "slice_jump": Limit(above=0.25),
    "odd_even": Limit(above=0.03),
    # Faults of acquisition, transfer or storage: none is right.
    "nonfinite": Limit(above=0.0),
    "constant": Limit(above=0.0),
    "duplicated_slices": Limit(above=0.0),
    "missing_slices": Limit(above=0.0),
    "saturated": Limit(above=0.005),
    "wrapped": Limit(above=20.0),
    # Too little to tell a volume from a slab; a localiser has three.
    "slices": Limit(below=10.0),
}
"""Limits for any image."""

MEASURES = frozenset(
    {
        "cjv", "cnr", "efc", "fber", "inu_med", "inu_range", "qi_1", "qi_2", "wm2max",
        "slice_jump", "odd_even", "cut_top", "cut_brain", "head_ml", "brain_ml",
        "nonfinite", "constant", "saturated", "wrapped",
        "slices", "duplicated_slices", "missing_slices",
    }
    | {f"fwhm_{axis}" for axis in ("x", "y", "z", "avg")}
    | {f"{kind}_{axis}" for kind in ("size", "spacing", "gsr") for axis in "xyz"}
    | {f"{kind}_{part}" for kind in ("snr", "snrd") for part in ("csf", "gm", "wm", "total")}
    | {f"icvs_{tissue}" for tissue in ("csf", "gm", "wm")}
    | {
        f"summary_{part}_{name}"
        for part in ("bg", "csf", "gm", "wm")
        for name in ("mean", "median", "p95", "p05", "k", "stdv", "mad", "n")
    }
)  # fmt: skip
"""All that may be measured of an image."""


class QualityConfig(BaseModel):
    """What of the quality of an image is measured, and which values raise a flag.

    Parameters
    ----------
    brain : bool
        Whether the images show a head with its brain. If not, measures of tissues and the limits
        of measures that are made for a head whole in air (`HEAD_LIMITS`) are left out, and the
        air is all that surrounds the body.
    contrasts : dict of str to {"t1", "t2", "flair"}
        How the tissues of a modality are ordered by intensity, for names that are not known
        (see `CONTRASTS`); an image without a modality is taken for T1-weighted.
    brain_ml : tuple of float
        Smallest and largest volume, in ml, of what is taken for a brain where the image has no
        mask: adult brains lie between 900 and 1900, and the rough mask is narrow.
    nonuniformity : bool
        Whether the bias field is estimated (``inu_med``, ``inu_range``) and taken out before the
        tissues are measured, as in MRIQC; it is a third of the work.
    hat_mm : float
        Distance of the plane above which air is measured from the top of the brain, in mm. Below
        it eyes, mouth and neck, which move, shine into the air (Mortamet et al. 2009); nasion and
        inion lie about 85 mm below the top of an adult brain.
    artefact_z : float
        Spreads of the air's noise above which a voxel of it is no noise: 10, as in MRIQC.
    limits : dict of str to Limit
        Limits by measure, each in place of the default of the same name; ``{}`` for a measure
        takes its limit away.
    fence : float
        Interquartile ranges beyond the quartiles of a site at which a case stands out from it:
        3, Tukey's far out, which 1 in 400 000 of normal values are.
    least_at_site : int
        Fewest cases of a site that its quartiles are taken from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    brain: bool = True
    contrasts: dict[str, Contrast] = Field(default_factory=dict)
    brain_ml: tuple[Positive, Positive] = (700.0, 2100.0)
    nonuniformity: bool = True
    hat_mm: Positive = 85.0
    artefact_z: Positive = 10.0
    limits: dict[str, Limit] = Field(default_factory=dict)
    fence: Positive = 3.0
    least_at_site: int = Field(default=10, ge=4)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.brain_ml[0] >= self.brain_ml[1]:
            raise ValueError(
                f"brain_ml must be (low, high) with low below high, got {self.brain_ml}"
            )
        for name in self.limits:
            if name not in MEASURES:
                hint = did_you_mean(name, sorted(MEASURES))
                raise ValueError(f"limits: '{name}' is not measured. {hint}")
        return self

    def contrast_of(self, modality: str) -> Contrast | None:
        """Return how the tissues of a modality are ordered, or None where it is not known."""
        wanted = modality.lower()
        for name, contrast in [*self.contrasts.items(), *CONTRASTS.items()]:
            if name.lower() == wanted:
                return contrast
        return None

    @property
    def all_limits(self) -> dict[str, Limit]:
        """Limits by measure: the defaults, and what the configuration says in their place."""
        return {**(HEAD_LIMITS if self.brain else {}), **LIMITS, **self.limits}
