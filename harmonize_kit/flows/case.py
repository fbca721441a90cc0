"""What is done with one case of an extraction: read, align, measure, keep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.cohort import Case
from harmonize_kit.core.digest import digest_value
from harmonize_kit.features import FeatureExtractor, describe_provider
from harmonize_kit.provenance import digest_file, versions
from harmonize_kit.storage.images import data_files, read_image, read_mask, require_file
from harmonize_kit.storage.results import ResultStore

# What a change of must change the result's key: the code that makes the numbers.
MAKERS = ("harmonize-kit", "pyradiomics-bhklab", "SimpleITK", "PyWavelets", "numpy", "scipy")


@dataclass(frozen=True)
class CaseWork:
    """One case and all that is needed to measure it, as plain data for a worker."""

    case: Case
    config: ExtractionConfig
    store: str | None = None
    force: bool = False


@dataclass(frozen=True)
class CaseResult:
    """Features of every region of a case.

    Parameters
    ----------
    key : str
        Digest of all that made the result.
    regions : list of dict
        One a label: ``label``, ``values`` by feature name (None where undefined), ``notes``.
    computed : bool
        False where the result was there already.
    """

    key: str
    regions: list[dict[str, Any]]
    computed: bool


def measure_case(work: CaseWork) -> CaseResult:
    """Return the features of a case, from the store where the same was measured before.

    Raises
    ------
    CaseError
        With the reason code of what is wrong with the case.
    """
    key = result_key(work)
    store = ResultStore(Path(work.store)) if work.store is not None else None
    if store is not None and not work.force:
        kept = store.read(key)
        if kept is not None:
            return CaseResult(key, kept["regions"], computed=False)
    regions = _measure(work)
    if store is not None:
        store.write(key, {"id": work.case.id, "regions": regions})
    return CaseResult(key, regions, computed=True)


def result_key(work: CaseWork) -> str:
    """Return the digest of configuration, versions, image and mask content, and labels.

    The id is part of it, so that every case has a file of its own; paths are not, so that a cohort
    may move.
    """
    case = work.case
    paths = {**{f"image {name}": path for name, path in case.images.items()}, "mask": case.mask}
    for path in paths.values():
        require_file(Path(path))
    found = versions()
    return digest_value(
        {
            "id": case.id,
            "parameters": work.config.parameters(),
            "content": {
                name: [digest_file(file) for file in data_files(Path(path))]
                for name, path in paths.items()
            },
            "provider": describe_provider(),
            "labels": "all" if case.labels is None else list(case.labels),
            "channel": case.label_channel,
            "versions": {name: found.get(name, "") for name in (*MAKERS, "python")},
        }
    )


def _measure(work: CaseWork) -> list[dict[str, Any]]:
    case, extractor = work.case, _extractor(work.config.model_dump_json())
    mask = read_mask(Path(case.mask), case.label_channel)
    regions: dict[int, dict[str, Any]] = {}
    for modality, path in case.images.items():
        volume = extractor.align_mask(read_image(Path(path)), mask)
        prefix = f"{modality}_" if modality else ""
        for label in extractor.labels(volume, case.labels):
            found = extractor.extract(volume, label)
            region = regions.setdefault(label, {"label": label, "values": {}, "notes": []})
            region["values"] |= {
                f"{prefix}{name}": value if math.isfinite(value) else None
                for name, value in found.values.items()
            }
            region["notes"] += [f"{prefix}{note}" for note in found.notes]
    return list(regions.values())


@lru_cache(maxsize=4)
def _extractor(parameters: str) -> FeatureExtractor:
    """Set PyRadiomics up once a process, not once a case."""
    return FeatureExtractor(ExtractionConfig.model_validate_json(parameters))
