"""The methods of intensity normalisation, each with its options."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0.0, le=100.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Range = tuple[Finite, Finite]
Foreground = Literal["mask", "nonzero", "whole"]
Contrast = Literal["t1", "t2", "flair", "pd"]
Peak = Literal["first", "largest", "last"]

CONTRASTS: dict[str, Contrast] = {
    **dict.fromkeys(("t1", "t1w", "t1n", "t1ce", "t1c", "t1gd", "mprage"), "t1"),
    **dict.fromkeys(("t2", "t2w"), "t2"),
    **dict.fromkeys(("flair", "fla", "t2f", "t2flair", "t2_flair"), "flair"),
    **dict.fromkeys(("pd", "pdw"), "pd"),
}
"""Contrast that the name of a modality tells, in lower case."""


class MethodConfig(BaseModel):
    """What every method has: the voxels it is about.

    Parameters
    ----------
    foreground : {"mask", "nonzero", "whole"}
        ``mask``: those of the mask, which must be there, because only it tells a brain voxel of
        intensity 0 from the background. ``nonzero``: of an image without a mask, the voxels that
        are not exactly 0; right for skull-stripped images as they come, before anything shifts
        their intensities. ``whole``: every voxel, whatever the mask; there is no background then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    foreground: Foreground = "mask"


class NoneConfig(MethodConfig):
    """Leave the image as it is, in its own type and with its own background."""

    method: Literal["none"] = "none"


class ZScoreConfig(MethodConfig):
    """Subtract the mean of the foreground and divide by its standard deviation.

    Parameters
    ----------
    eps : float
        Added to the standard deviation. None by default: a constant image is refused, so nothing
        is ever divided by 0. Pipelines for BraTS use 1e-8.
    """

    method: Literal["z-score"] = "z-score"
    eps: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0


class PercentileConfig(MethodConfig):
    """Map two percentiles of the foreground to the ends of a range.

    Parameters
    ----------
    low, high : float
        Percentiles; 1 and 99 by default, so that no few vessels or voids set the scale.
    to : tuple of float
        The range.
    clip : bool
        Cut what lies beyond the range; how many voxels that were is recorded.
    """

    method: Literal["percentile"] = "percentile"
    low: Percent = 1.0
    high: Percent = 99.0
    to: Range = (0.0, 1.0)
    clip: bool = True

    @model_validator(mode="after")
    def _rising(self) -> Self:
        _require_rising("low and high", (self.low, self.high))
        _require_rising("to", self.to)
        return self


class WindowConfig(MethodConfig):
    """Cut intensities at two fixed ones: a window of Hounsfield units.

    Intensities of CT are physical; to estimate a scale from each image would destroy that. The
    whole image is windowed by default, because a CT needs no mask for it.

    Parameters
    ----------
    low, high : float
        Ends of the window, in the unit of the image. From air to dense bone by default.
    to : tuple of float, optional
        Range to map the window to; None keeps the unit.
    """

    method: Literal["window"] = "window"
    foreground: Foreground = "whole"
    low: Finite = -1000.0
    high: Finite = 1000.0
    to: Range | None = None

    @model_validator(mode="after")
    def _rising(self) -> Self:
        _require_rising("low and high", (self.low, self.high))
        if self.to is not None:
            _require_rising("to", self.to)
        return self


class PeakMethod(MethodConfig):
    """A method that looks for the peak of one tissue in the histogram.

    Parameters
    ----------
    contrast : {"t1", "t2", "flair", "pd"}, optional
        None: as the name of the modality tells.
    peak : {"first", "largest", "last"}, optional
        Which peak of the histogram; None: the last for t1 (white matter), the largest for t2 and
        flair, the first for pd.
    """

    contrast: Contrast | None = None
    peak: Peak | None = None


class WhiteStripeConfig(PeakMethod):
    """Subtract the mean of normal-appearing white matter and divide by its standard deviation.

    Parameters
    ----------
    width : float
        Share of the foreground on either side of the peak that is taken as the stripe. 0.05 as
        published (Shinohara et al. 2014).
    """

    method: Literal["white-stripe"] = "white-stripe"
    width: Annotated[float, Field(gt=0.0, le=0.5)] = 0.05


class KDEPeakConfig(PeakMethod):
    """Divide by the intensity of a peak of the smoothed histogram.

    Parameters
    ----------
    to : float
        Intensity that the peak gets.
    """

    method: Literal["kde-peak"] = "kde-peak"
    to: Positive = 1.0


class FuzzyCMeansConfig(MethodConfig):
    """Divide by the mean of one tissue, found by fuzzy c-means.

    Parameters
    ----------
    tissue : {"wm", "gm", "csf"}
        White matter by default: the largest and most even tissue.
    contrast : {"t1", "t2", "flair"}, optional
        Of the image that the tissues are found on; None: as the name of the modality tells.
    classes_from : str, optional
        Modality on which the tissues are found, on the same grid; None: on the image itself.
        T1-weighted images separate them best, so ``t1`` is the usual choice for the others.
    to : float
        Intensity that the mean of the tissue gets.
    """

    method: Literal["fuzzy-c-means"] = "fuzzy-c-means"
    tissue: Literal["wm", "gm", "csf"] = "wm"
    contrast: Literal["t1", "t2", "flair"] | None = None
    classes_from: str | None = None
    to: Positive = 1.0


class NyulConfig(MethodConfig):
    """Map landmarks of the histogram to those of a standard scale, learned from training cases.

    Parameters
    ----------
    percentiles : tuple of float
        Landmarks. 1, the deciles and 99 by default (Shah et al. 2011).
    to : tuple of float
        Intensities of the standard scale at the first and the last landmark.
    """

    method: Literal["nyul"] = "nyul"
    percentiles: tuple[Percent, ...] = (1.0, *(10.0 * decile for decile in range(1, 10)), 99.0)
    to: Range = (1.0, 100.0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.percentiles) < 2:
            raise ValueError(f"expected two percentiles or more, got {self.percentiles}")
        _require_rising("percentiles", self.percentiles)
        _require_rising("to", self.to)
        return self


class HistogramMatchingConfig(MethodConfig):
    """Map the whole histogram to the mean histogram of the training cases.

    Parameters
    ----------
    points : int
        Quantiles that describe a histogram, minimum and maximum included.
    """

    method: Literal["histogram-matching"] = "histogram-matching"
    points: Annotated[int, Field(ge=3, le=10_001)] = 257

    @property
    def percentiles(self) -> tuple[float, ...]:
        """Percentiles at even steps, from 0 to 100."""
        return tuple(100.0 * i / (self.points - 1) for i in range(self.points))


PopulationMethod = NyulConfig | HistogramMatchingConfig
AnyMethod = (
    NoneConfig | ZScoreConfig | PercentileConfig | WindowConfig | WhiteStripeConfig
    | KDEPeakConfig | FuzzyCMeansConfig | NyulConfig | HistogramMatchingConfig
)  # fmt: skip


def contrast_of(modality: str, stated: Contrast | None = None) -> Contrast | None:
    """Return the stated contrast, or the one the name of a modality tells, or None."""
    return stated or CONTRASTS.get(modality.casefold())


def _require_rising(name: str, values: tuple[float, ...]) -> None:
    if any(b <= a for a, b in pairwise(values)):
        raise ValueError(f"{name} must rise, got {values}")
