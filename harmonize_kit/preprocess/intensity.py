"""Normalise the intensities of a case: the stage ``normalize``.

Every method works on the foreground of an image, which its mask tells. Background is exactly 0
afterwards and the mask travels on: after a z-score half of the brain is at or below 0, so that
nothing but the mask tells it from the background. Labels are not touched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harmonize_kit.config.intensity import IntensityConfig
from harmonize_kit.config.intensity_methods import (
    AnyMethod,
    FuzzyCMeansConfig,
    KDEPeakConfig,
    NoneConfig,
    NyulConfig,
    PercentileConfig,
    PopulationMethod,
    WhiteStripeConfig,
    WindowConfig,
    ZScoreConfig,
)
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.fuzzy_c_means import fuzzy_c_means
from harmonize_kit.preprocess.histogram_matching import match_histogram
from harmonize_kit.preprocess.intensity_fit import FittedIntensity
from harmonize_kit.preprocess.intensity_foreground import Normalized
from harmonize_kit.preprocess.kde_peak import kde_peak
from harmonize_kit.preprocess.nyul import nyul
from harmonize_kit.preprocess.percentile import percentile, window
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.preprocess.white_stripe import white_stripe
from harmonize_kit.preprocess.z_score import z_score


def normalize_intensity(
    scans: Scans, config: IntensityConfig, fitted: FittedIntensity | None = None
) -> Staged:
    """Return the scans with each image normalised by the method for its modality.

    Parameters
    ----------
    scans : Scans
    config : IntensityConfig
    fitted : FittedIntensity, optional
        What was learned from the training cases, for the methods that learn.

    Returns
    -------
    Staged
        Images as float32 on their own grids, 0 outside the foreground; ``decided`` holds, by
        modality, the method and what it found in the image.

    Raises
    ------
    PreprocessingError
        Naming the modality: if an image lacks the mask its method needs, has an empty, constant
        or non-finite foreground, or its method does not fit it.
    """
    images: dict[str, Volume] = {}
    decided: dict[str, Any] = {}
    notes: list[str] = []
    for modality, volume in scans.images.items():
        method = config.of(modality)
        named = f"normalize, modality '{modality}'" if modality else "normalize"
        try:
            made = _normalized(modality, volume, method, scans, fitted)
        except PreprocessingError as error:
            raise PreprocessingError(f"{named}: {error.message}") from error
        images[modality] = made.volume
        decided[modality] = {"method": method.method, **made.decided}
        notes += [f"{named}: {note}" for note in made.notes]
    return Staged(replace(scans, images=images), decided, tuple(notes))


def _normalized(
    modality: str,
    volume: Volume,
    method: AnyMethod,
    scans: Scans,
    fitted: FittedIntensity | None,
) -> Normalized:
    match method:
        case NoneConfig():
            return Normalized(volume, {})
        case ZScoreConfig():
            return z_score(volume, method)
        case PercentileConfig():
            return percentile(volume, method)
        case WindowConfig():
            return window(volume, method)
        case WhiteStripeConfig():
            return white_stripe(volume, method, modality)
        case KDEPeakConfig():
            return kde_peak(volume, method, modality)
        case FuzzyCMeansConfig():
            source = method.classes_from
            if source is None:
                return fuzzy_c_means(volume, method, modality)
            if source not in scans.images:
                raise PreprocessingError(
                    f"classes_from names '{source}', which is none of the images "
                    f"{', '.join(scans.images)}"
                )
            return fuzzy_c_means(volume, method, source, scans.images[source])
        case _:
            return _mapped(modality, volume, method, fitted)


def _mapped(
    modality: str, volume: Volume, method: PopulationMethod, fitted: FittedIntensity | None
) -> Normalized:
    if fitted is None or modality not in fitted.landmarks:
        raise PreprocessingError(
            f"{method.method} maps to what training cases have in common, but nothing was "
            "learned from any of this modality; fit it on the training cases first"
        )
    if fitted.config.of(modality) != method:
        raise PreprocessingError(
            f"{method.method} was fitted with other options than it is asked for now; fit anew, "
            "or apply it as it was fitted"
        )
    standard = fitted.landmarks[modality]
    if isinstance(method, NyulConfig):
        made = nyul(volume, standard, method)
    else:
        made = match_histogram(volume, standard, method)
    return made._replace(decided={**made.decided, "training_cases": fitted.counts[modality]})
