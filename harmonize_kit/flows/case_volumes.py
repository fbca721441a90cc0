"""The images of a case with their mask, one modality at a time, and what measures them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.cohort import Case
from harmonize_kit.core.volume import Volume
from harmonize_kit.features import Engine, FeatureExtractor
from harmonize_kit.storage.dicom_masks import is_dicom_mask
from harmonize_kit.storage.images import open_image, open_mask


class CaseVolume(NamedTuple):
    """One image of a case with its mask, the prefix of its features, and what files told."""

    prefix: str
    volume: Volume
    mask_notes: tuple[str, ...]
    image_notes: tuple[str, ...]


def volumes_of(case: Case, extractor: FeatureExtractor) -> Iterator[CaseVolume]:
    """Yield each image of a case with its mask, one modality at a time.

    A mask in DICOM is drawn on the grid of each image, for the labels that are asked for.
    """
    path, labels = Path(case.mask), case.labels
    if labels == ():
        labels = (int(extractor.config.setting.get("label", 1)),)
    mask = None if is_dicom_mask(path) else open_mask(path, case.label_channel)
    for modality, image_path in case.images.items():
        image = open_image(Path(image_path))
        drawn = mask or open_mask(path, case.label_channel, image.volume.geometry, labels)
        volume = extractor.align_mask(image.volume, drawn.volume)
        yield CaseVolume(f"{modality}_" if modality else "", volume, drawn.notes, image.notes)


def plain_values(values: Mapping[str, float], prefix: str) -> dict[str, float | None]:
    """Return features by the name of their column, None where undefined, as JSON takes them."""
    return {
        f"{prefix}{name}": value if math.isfinite(value) else None for name, value in values.items()
    }


def extractor_of(config: ExtractionConfig, engine: Engine = "auto") -> FeatureExtractor:
    """Return the extractor of a configuration, set up once a process, not once a case."""
    return _extractor(config.model_dump_json(), engine)


@lru_cache(maxsize=4)
def _extractor(parameters: str, engine: Engine) -> FeatureExtractor:
    return FeatureExtractor(ExtractionConfig.model_validate_json(parameters), engine)
