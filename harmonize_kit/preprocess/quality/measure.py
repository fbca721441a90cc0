"""All measures of one image, under MRIQC's names where it has them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harmonize_kit.config.quality import Contrast, QualityConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.quality.background import background_metrics
from harmonize_kit.preprocess.quality.brain import Brain, measure_brain
from harmonize_kit.preprocess.quality.completeness import intensity_faults, slice_faults
from harmonize_kit.preprocess.quality.contrast import Metrics, contrast_metrics
from harmonize_kit.preprocess.quality.extent import extent_metrics, grid_metrics
from harmonize_kit.preprocess.quality.noise import wm2max
from harmonize_kit.preprocess.quality.views import View, view


@dataclass(frozen=True)
class Measured:
    """Measures of an image.

    Parameters
    ----------
    metrics : dict of str to float or None
        By name; None where a measure has no meaning on this image, never a NaN.
    notes : tuple of str
        Why measures are missing, and what they stand on, each a sentence.
    """

    metrics: Metrics
    notes: tuple[str, ...]


def measure(volume: Volume, contrast: Contrast | None, config: QualityConfig) -> Measured:
    """Return all measures of one image.

    Parameters
    ----------
    volume : Volume
        Its mask, if it has one, is taken for the brain (or the body).
    contrast : {"t1", "t2", "flair"} or None
        How tissues are ordered by intensity; None leaves out what needs tissues.
    config : QualityConfig
    """
    metrics = grid_metrics(volume.geometry) | intensity_faults(volume.array)
    metrics |= slice_faults(volume.array)
    if metrics["constant"]:
        return Measured(metrics, ("all voxels have one value: nothing else can be measured",))
    seen = view(volume, config)
    metrics |= extent_metrics(seen, volume.geometry)
    brain = None
    if config.brain and contrast is not None and seen.brain is not None:
        brain = measure_brain(seen.image, seen.brain, seen.spacing, contrast, config)
        seen = replace(seen, image=seen.image * brain.scale)
    around, air = background_metrics(seen, volume.geometry, config.artefact_z)
    metrics |= around
    if brain is not None:
        metrics |= _of_tissues(brain, seen, air)
    for name, summary in ({} if air is None else {"bg": air}).items():
        metrics |= {f"summary_{name}_{key}": value for key, value in summary.items()}
    return Measured(metrics, _notes(seen, brain, contrast, config))


def _of_tissues(brain: Brain, seen: View, air: dict[str, float] | None) -> Metrics:
    metrics: Metrics = {}
    if brain.field is not None:
        metrics |= {"inu_med": brain.field.median, "inu_range": brain.field.spread}
    if not brain.tissues:
        return metrics
    metrics |= contrast_metrics(brain.tissues, air)
    metrics["wm2max"] = wm2max(np.maximum(seen.image, 0.0), brain.tissues["wm"]["median"])
    total = sum(tissue["n"] for tissue in brain.tissues.values())
    for name, summary in brain.tissues.items():
        metrics[f"icvs_{name}"] = summary["n"] / total
        metrics |= {f"summary_{name}_{key}": value for key, value in summary.items()}
    return metrics


def _notes(
    seen: View, brain: Brain | None, contrast: Contrast | None, config: QualityConfig
) -> tuple[str, ...]:
    notes: list[str] = []
    if config.brain and contrast is None:
        notes.append("the order of its tissues by intensity is not known: set contrasts")
    elif config.brain and seen.brain is None:
        notes.append("it has no mask and no brain was found: measures of its tissues are left out")
    elif config.brain and not seen.given:
        notes.append("measured in a rough mask of the brain, since the image has none")
    if brain is not None and not brain.tissues:
        notes.append("the tissues of the brain could not be told apart")
    if seen.silent:
        notes.append("the background holds no signal: measures of the air are left out")
    return tuple(notes)
