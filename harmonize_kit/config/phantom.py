"""Settings of simulated data: feature tables, and heads scanned on several scanners."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Range = tuple[Positive, Positive]
Xyz = tuple[float, float, float]


def _rising(name: str, bounds: tuple[float, float]) -> None:
    if bounds[0] >= bounds[1]:
        raise ValueError(f"{name} must be (low, high) with low below high, got {bounds}")


class TablePhantomConfig(BaseModel):
    """A multi-site feature table with known truth.

    Effects are in units of the within-site standard deviation (SD) of a feature, so that 0.8 is a
    large effect whatever the unit of the feature.

    Parameters
    ----------
    subjects, features, sites : int
        Numbers of subjects measured once, of features and of sites.
    site_weights : tuple of float
        Relative numbers of subjects by site; empty means equal.
    travelling : int
        Further subjects, each measured at every site.
    age_range : tuple of float
        Youngest and oldest age in years; ages are uniform between them.
    shift : float
        SD, over sites and features, of the additive site effect.
    scale : float
        SD, over sites and features, of the variance ratio (site to average).
    scale_acts_on : {"residual", "signal"}
        What a site stretches: the deviation from what age, sex and group predict (the model of
        ComBat), or the whole deviation from the feature mean, biology included (a detector whose
        gain differs).
    covariance : float
        0: correlations between features are the same at all sites; 1: each site has its own.
    confounding : float
        0: ages are alike at all sites; 1: the age ranges of the sites do not overlap.
    age_effect, sex_effect, group_effect : float
        Typical size of the biological effects.
    group_share : float
        Share of the features on which group has any effect.
    factors : int
        Latent factors that correlate the features.
    communality : float
        Share of the biological variance that the factors carry.
    reliability : float
        Share of the within-site variance that is the subject; the rest is measurement noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: int = Field(default=200, ge=1)
    features: int = Field(default=60, ge=1)
    sites: int = Field(default=4, ge=1)
    site_weights: tuple[Positive, ...] = ()
    travelling: int = Field(default=0, ge=0)
    age_range: Range = (20.0, 80.0)
    shift: NonNegative = 0.8
    scale: NonNegative = 0.5
    scale_acts_on: Literal["residual", "signal"] = "residual"
    covariance: Share = 0.0
    confounding: Share = 0.0
    age_effect: NonNegative = 0.7
    sex_effect: NonNegative = 0.4
    group_effect: NonNegative = 0.8
    group_share: Share = 0.3
    factors: int = Field(default=4, ge=1)
    communality: Share = 0.6
    reliability: Share = 0.9

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _rising("age_range", self.age_range)
        if self.site_weights and len(self.site_weights) != self.sites:
            raise ValueError(
                f"site_weights must give one weight a site, got {len(self.site_weights)} for "
                f"{self.sites} sites; leave it empty for equal sites"
            )
        return self


class ScannerConfig(BaseModel):
    """One scanner: a T1-weighted spoiled gradient echo, its coil, its sharpness and its noise.

    Parameters
    ----------
    name : str
        Name of the scanner, and of its site.
    field : {"1.5T", "3T"}
        Field strength, which sets the relaxation times.
    tr_ms, te_ms, flip_deg : float
        Repetition time and echo time in ms, flip angle in degrees.
    blur_mm : tuple of float
        Full width at half maximum of the point spread along x, y, z, in mm.
    snr : float
        Signal of white matter over the noise of one channel.
    bias_slope : tuple of float
        Relative change of the sensitivity from the centre to the edge of the head along x, y, z.
    bias_centre : float
        Relative change from the centre to the edge in all directions: negative where the centre
        is brightest (dielectric effect), positive where a surface coil brightens the edge.
    gain : float
        Intensity, in arbitrary units, of a signal of one.
    gain_jitter : float
        Relative SD of the gain from scan to scan.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    field: Literal["1.5T", "3T"]
    tr_ms: Positive
    te_ms: Positive
    flip_deg: float = Field(gt=0.0, le=90.0)
    blur_mm: tuple[NonNegative, NonNegative, NonNegative] = (3.0, 3.0, 3.0)
    snr: Positive = 40.0
    bias_slope: Xyz = (0.0, 0.0, 0.0)
    bias_centre: float = 0.0
    gain: Positive = 5000.0
    gain_jitter: NonNegative = 0.02


DEFAULT_SCANNERS = (
    ScannerConfig(
        name="North-1.5T", field="1.5T", tr_ms=25.0, te_ms=5.0, flip_deg=30.0,
        blur_mm=(4.0, 4.0, 4.0), snr=30.0, bias_slope=(0.02, -0.05, 0.04), bias_centre=0.10,
        gain=7500.0,
    ),
    ScannerConfig(
        name="South-1.5T", field="1.5T", tr_ms=12.0, te_ms=4.5, flip_deg=20.0,
        blur_mm=(5.0, 5.0, 7.0), snr=20.0, bias_slope=(-0.06, 0.04, 0.08), bias_centre=0.05,
        gain=7500.0,
    ),
    ScannerConfig(
        name="East-3T", field="3T", tr_ms=10.0, te_ms=4.0, flip_deg=18.0,
        blur_mm=(3.0, 3.0, 3.0), snr=45.0, bias_slope=(0.05, 0.04, -0.06), bias_centre=-0.20,
        gain=16000.0,
    ),
    ScannerConfig(
        name="West-3T", field="3T", tr_ms=20.0, te_ms=6.0, flip_deg=28.0,
        blur_mm=(3.5, 3.5, 5.0), snr=35.0, bias_slope=(-0.04, -0.08, 0.02), bias_centre=-0.12,
        gain=10500.0,
    ),
)  # fmt: skip


class HeadPhantomConfig(BaseModel):
    """A cohort of brain-like volumes with a lesion, scanned on several scanners.

    Parameters
    ----------
    subjects : int
        Number of subjects; subject i goes to scanner i modulo the number of scanners.
    scanners : tuple of ScannerConfig
        The scanners, one a site.
    reference : str
        Name of the scanner that also scans every head, as the truth to harmonize to.
    spacing : float
        Distance of voxel centres in mm, the same in all directions.
    age_range : tuple of float
        Youngest and oldest age in years.
    confounding : float
        0: ages are alike at all sites; 1: the age ranges of the sites do not overlap.
    deformation_mm : float
        SD of the random displacement of the anatomy.
    lesion_radius_mm : tuple of float
        Smallest and largest semi-axis of the lesion at the youngest age.
    lesion_growth : float
        Relative growth of the semi-axes from the youngest to the oldest age.
    lesion_ageing : float
        Logarithmic rise of the T1 of the lesion from the youngest to the oldest age.
    heterogeneity : tuple of float
        SD of log T1 inside the lesion: typical of group ``low`` and of group ``high``.
    heterogeneity_spread : float
        SD, over subjects of one group, of the logarithm of the heterogeneity.
    atrophy : float
        Ageing of the whole brain: 1 widens ventricles by about 4 mm over the age range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: int = Field(default=80, ge=1)
    scanners: tuple[ScannerConfig, ...] = Field(default=DEFAULT_SCANNERS, min_length=1)
    reference: str = DEFAULT_SCANNERS[0].name
    spacing: float = Field(default=3.0, ge=1.0, le=6.0)
    age_range: Range = (20.0, 80.0)
    confounding: Share = 0.0
    deformation_mm: NonNegative = 3.0
    lesion_radius_mm: Range = (10.0, 15.0)
    lesion_growth: NonNegative = 0.2
    lesion_ageing: NonNegative = 0.3
    heterogeneity: tuple[NonNegative, NonNegative] = (0.12, 0.22)
    heterogeneity_spread: NonNegative = 0.25
    atrophy: NonNegative = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _rising("age_range", self.age_range)
        _rising("lesion_radius_mm", self.lesion_radius_mm)
        names = [scanner.name for scanner in self.scanners]
        if len(set(names)) < len(names):
            raise ValueError(f"scanners must have different names, got {names}")
        if self.reference not in names:
            raise ValueError(
                f"reference must name one of the scanners {names}, got '{self.reference}'"
            )
        return self
