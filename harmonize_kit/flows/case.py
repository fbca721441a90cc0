"""What is done with one case of an extraction: read, align, measure, keep."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.config.robustness import RobustnessConfig
from harmonize_kit.core.cohort import Case
from harmonize_kit.core.digest import digest_file, digest_value
from harmonize_kit.errors import DependencyError, ImageError
from harmonize_kit.features import Engine, describe_provider
from harmonize_kit.flows.case_volumes import extractor_of, plain_values, volumes_of
from harmonize_kit.flows.maps import maps_are_whole, measure_maps
from harmonize_kit.flows.output_folder import cannot_write
from harmonize_kit.flows.perturbed import measure_perturbed
from harmonize_kit.provenance import Journal, versions
from harmonize_kit.storage.images import data_files
from harmonize_kit.storage.results import ResultStore, owner_of

# What a change of must change the result's key: the code that makes the numbers.
MAKERS = ("harmonize-kit", "pyradiomics-bhklab", "SimpleITK", "PyWavelets", "numpy", "scipy")
Files = dict[str, tuple[Path, ...]]


@dataclass(frozen=True)
class CaseWork:
    """One case and all that is needed to measure it, as plain data for a worker.

    Parameters
    ----------
    case : Case
    config : ExtractionConfig
    store : str, optional
        Folder of the kept results; without one they come back to the driver.
    journal : str, optional
        Journal to note a new result in, where this process may write to it.
    force : bool
        Whether to measure what is kept already.
    made_by : str, optional
        The driver's :func:`makers`, which must be the worker's too.
    robustness : RobustnessConfig, optional
        Perturbations to measure the case under, beside the case as it is.
    engine : {"auto", "native", "pyradiomics"}
        See :class:`~harmonize_kit.features.FeatureExtractor`.
    voxel : bool
        Whether to make maps of the features instead.
    """

    case: Case
    config: ExtractionConfig
    store: str | None = None
    journal: str | None = None
    force: bool = False
    made_by: str | None = None
    robustness: RobustnessConfig | None = None
    engine: Engine = "auto"
    voxel: bool = False


class CaseResult(TypedDict):
    """What became of a case, as plain values.

    ``key`` is the digest of all that made the result; ``regions`` holds one mapping a label with
    ``label``, ``values`` by feature name (None where undefined) and ``notes``, and is empty where
    the result is in the store; ``computed`` is False where it was there already.
    """

    key: str
    regions: list[dict[str, Any]]
    computed: bool


def measure_case(work: CaseWork) -> CaseResult:
    """Measure a case, or find that the same was measured before.

    Raises
    ------
    CaseError
        With the reason code of what is wrong with the case.
    OutputError
        If the result cannot be kept.
    DependencyError
        If this worker has other versions than the driver.
    """
    start = time.perf_counter()
    made_by = makers(work.config.model_dump_json())
    if work.made_by not in (None, made_by):
        raise DependencyError(
            f"this worker would measure with {made_by}, the others with {work.made_by}; install "
            "the same everywhere"
        )
    files = case_files(work.case)
    before = _stamps(files)
    key = result_key(work, files)
    if work.store is None:
        return {"key": key, "regions": _measure(work), "computed": True}
    store = ResultStore(Path(work.store))
    if not work.force and is_kept(work, key, store):
        return {"key": key, "regions": [], "computed": False}
    regions = _measure(work)
    if _stamps(files) != before:
        raise ImageError("UNREADABLE", "image or mask changed while it was read; run again")
    try:
        store.write(key, {"id": work.case.id, "regions": regions})
        if work.journal is not None:
            seconds = round(time.perf_counter() - start, 3)
            Journal(Path(work.journal)).write(work.case.id, key, "done", seconds=seconds)
    except OSError as error:
        raise cannot_write(Path(work.store).parent, error) from error
    return {"key": key, "regions": [], "computed": True}


def is_kept(work: CaseWork, key: str, store: ResultStore) -> bool:
    """Tell whether the whole result of a case is in ``store``, its maps included."""
    result = store.read(key)
    if result is None:
        return False
    return not work.voxel or maps_are_whole(result["regions"], store.folder.parent)


def result_key(work: CaseWork, files: Files | None = None) -> str:
    """Return the digest of configuration, versions, image and mask content, and labels.

    The id is part of it, so that every case has a file of its own; paths are not, so that a cohort
    may move. Files are read to their end: times and sizes prove nothing.

    Raises
    ------
    ImageError
        If a file is not there or cannot be read.
    """
    case = work.case
    content = {
        name: [digest_file(file) for file in listed]
        for name, listed in (files or case_files(case)).items()
    }
    made_of: dict[str, Any] = {
        "id": case.id,
        "made_by": makers(work.config.model_dump_json()),
        "content": content,
        "labels": "all" if case.labels is None else list(case.labels),
        "channel": case.label_channel,
    }
    if work.robustness is not None:
        made_of["robustness"] = work.robustness.model_dump(mode="json", exclude={"confidence"})
    if work.engine == "pyradiomics":
        made_of["engine"] = work.engine
    if work.voxel:
        made_of["voxel"] = True
    digest = digest_value(made_of)
    return f"{owner_of(case.id)}-{digest[:52]}"


@lru_cache(maxsize=4)
def makers(parameters: str) -> str:
    """Return, as one text, the parameters and versions that make the numbers in this process."""
    config = ExtractionConfig.model_validate_json(parameters)
    found = versions()
    listed = ", ".join(f"{name} {found.get(name, 'missing')}" for name in (*MAKERS, "python"))
    return f"{listed} ({describe_provider()}), parameters {digest_value(config.parameters())[:12]}"


def case_files(case: Case) -> Files:
    """Return the files of images and mask, by their role; of their content, headers are read.

    Raises
    ------
    ImageError
        If a file is not there or cannot be read.
    """
    paths = {**{f"image {name}": path for name, path in case.images.items()}, "mask": case.mask}
    return {name: data_files(Path(path)) for name, path in paths.items()}


def _stamps(files: Files) -> list[tuple[int, int]]:
    stats = [file.stat() for listed in files.values() for file in listed]
    return [(stat.st_size, stat.st_mtime_ns) for stat in stats]


def _measure(work: CaseWork) -> list[dict[str, Any]]:
    extractor = extractor_of(work.config, work.engine)
    if work.voxel:
        folder = None if work.store is None else Path(work.store).parent
        return measure_maps(work.case, extractor, folder)
    if work.robustness is not None:
        return measure_perturbed(work.case, extractor, work.robustness)
    regions: dict[int, dict[str, Any]] = {}
    for prefix, volume, mask_notes, image_notes in volumes_of(work.case, extractor):
        labels = extractor.labels(volume, work.case.labels)
        for found in extractor.extract_all(volume, labels):
            new: dict[str, Any] = {"label": found.label, "values": {}, "notes": list(mask_notes)}
            region = regions.setdefault(found.label, new)
            region["values"] |= plain_values(found.values, prefix)
            region["notes"] += [f"{prefix}{note}" for note in (*image_notes, *found.notes)]
    return list(regions.values())
