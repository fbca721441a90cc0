"""Translations that look at an image alone: to the scale or histogram of the reference.

Whatever the scanner, an image's own intensities say how they are to be changed, so that a site that
was never seen is served like any other, and images of the reference are changed as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.intensity import IntensityConfig
from harmonize_kit.config.intensity_methods import (
    HistogramMatchingConfig,
    NyulConfig,
    ZScoreConfig,
)
from harmonize_kit.config.translate_fit import Method
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ConfigError, PreprocessingError
from harmonize_kit.flows.translate_model import Translated, Views
from harmonize_kit.flows.translate_read import ReadCase
from harmonize_kit.preprocess.histogram_matching import match_histogram
from harmonize_kit.preprocess.intensity_fit import FittedIntensity, fit_intensities, summarize
from harmonize_kit.preprocess.nyul import nyul
from harmonize_kit.preprocess.z_score import z_score

CONFIGS: dict[Method, ZScoreConfig | HistogramMatchingConfig | NyulConfig] = {
    "zscore": ZScoreConfig(),
    "histogram-matching": HistogramMatchingConfig(),
    "nyul": NyulConfig(),
}


@dataclass(frozen=True)
class ByImage:
    """A normalisation to what the reference's images have in common.

    See :class:`.translate_model.TranslationModel`.

    Parameters
    ----------
    modalities : tuple of str
    reference : str
    intensity : FittedIntensity
        The normalisation, with what it learned.
    mean, sd : ndarray, shape (c,)
        What its product is brought to: of a z-score, the mean mean and standard deviation of the
        reference's images. The others are on the reference's scale as they are.
    """

    modalities: tuple[str, ...]
    reference: str
    intensity: FittedIntensity
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]

    asks_site = False
    needs_normalised = False

    def require(self, to: str | None, *, sites_told: bool, views: Views) -> None:
        """Refuse another target than the reference, and views of networks."""
        del sites_told
        if to not in (None, self.reference):
            raise ConfigError(
                f"this method takes every image to '{self.reference}' and none to '{to}'; leave "
                "out --to, or fit with that site as the reference"
            )
        refuse_views(views)

    def translate(
        self, read: ReadCase, site: str | None, to: str | None, views: Views
    ) -> Translated:
        """Return the images of a case, normalised; it raises PreprocessingError."""
        del site, to, views
        images = read.channels()
        for place, (modality, volume) in enumerate(read.scans().images.items()):
            made = self._normalized(modality, volume)
            inside = made[read.mask].astype(np.float64) * self.sd[place] + self.mean[place]
            images[place][read.mask] = inside
        return Translated(images)

    def _normalized(self, modality: str, volume: Volume) -> NDArray[np.float32]:
        method = self.intensity.config.of(modality)
        try:
            if isinstance(method, NyulConfig):
                return nyul(volume, self.intensity.landmarks[modality], method).volume.array
            if isinstance(method, HistogramMatchingConfig):
                known = self.intensity.landmarks[modality]
                return match_histogram(volume, known, method).volume.array
            return z_score(volume).volume.array
        except PreprocessingError as error:
            name = modality or "Image"
            raise PreprocessingError(f"modality '{name}': {error.message}") from error


def summarize_image(read: ReadCase, method: Method) -> list[list[float]]:
    """Return what a training case tells of each of its images: landmarks, or mean and deviation.

    Raises
    ------
    PreprocessingError
        If an image is constant or not finite in its mask.
    """
    config, found = CONFIGS[method], list[list[float]]()
    for modality, volume in read.scans().images.items():
        if isinstance(config, ZScoreConfig):
            told = z_score(volume, config).decided
            found.append([told["mean"], told["sd"]])
        else:
            found.append(summarize(volume, IntensityConfig(default=config), modality))
    return found


def fit_by_image(
    summaries: Sequence[list[list[float]]],
    method: Method,
    modalities: tuple[str, ...],
    reference: str,
) -> ByImage:
    """Return what the images of the reference have in common.

    Nyul's standard scale is laid between the mean outer landmarks of the reference's images, so
    that what is made has their scale.

    Parameters
    ----------
    summaries : sequence of list
        Of :func:`summarize_image`, of training cases of the reference.
    method : str
    modalities : tuple of str
    reference : str
    """
    values = {name: [case[place] for case in summaries] for place, name in enumerate(modalities)}
    plain = np.zeros(len(modalities)), np.ones(len(modalities))
    config = CONFIGS[method]
    if isinstance(config, ZScoreConfig):
        found = np.array([np.mean(values[name], axis=0) for name in modalities])
        scale = FittedIntensity(IntensityConfig(default=config), {}, {})
        return ByImage(modalities, reference, scale, found[:, 0], found[:, 1])
    configs: dict[str, Any] = {}
    for name in modalities:
        mean = np.mean(values[name], axis=0)
        ends = {"to": (float(mean[0]), float(mean[-1]))} if isinstance(config, NyulConfig) else {}
        configs[name] = config.model_copy(update=ends)
    fitted = fit_intensities(values, IntensityConfig(modalities=configs))
    return ByImage(modalities, reference, fitted, *plain)


def refuse_views(views: Views) -> None:
    """Raise ConfigError where views are asked for of a model that has none."""
    if any(views):
        raise ConfigError(
            "several views of an image (--flips, --planes) are taken by networks alone; leave "
            "these options out"
        )
