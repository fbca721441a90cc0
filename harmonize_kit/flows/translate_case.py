"""One case through a trained model: read, translate, measure, write on its own grid."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.guards import GuardConfig
from harmonize_kit.core.digest import digest_value
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import CaseError, ImageError, UnseenSiteError
from harmonize_kit.flows.output_folder import cannot_write
from harmonize_kit.flows.preprocess_product import ProductPlan, product_is_whole
from harmonize_kit.flows.translate_cohort import TranslationCase
from harmonize_kit.flows.translate_read import ReadCase, read_case
from harmonize_kit.provenance import Journal, digest_file, versions
from harmonize_kit.storage.nifti_product import write_nifti
from harmonize_kit.storage.results import ResultStore, owner_of, plain_name
from harmonize_kit.translation.apply import Applied, apply_generator
from harmonize_kit.translation.device import (
    Device,
    choose_device,
    describe_device,
    fitting_batch,
    use_threads,
)
from harmonize_kit.translation.guards import guard
from harmonize_kit.translation.model import Translator, load_translator

MAKERS = ("harmonize-kit", "numpy", "scipy", "SimpleITK", "nibabel")
SPREAD = "spread"


@dataclass(frozen=True)
class TranslationWork:
    """One case and all that is needed to translate it, as plain data for a worker.

    Parameters
    ----------
    case : TranslationCase
    folder : str
        Of the output.
    model : str
        Folder of the model.
    model_sha256 : str
        Digest of its files.
    by_site : bool
        Whether the case's site is to be looked at; if not, it is taken to the reference.
    to : str, optional
        The site to make it look like, instead of the reference.
    flips, planes : bool
    guards : GuardConfig
    device : {"auto", "cpu", "cuda"}
    allow : tuple of str
    threads : int
        That torch computes with.
    journal : str, optional
        Journal to note a new result in, where this process may write to it.
    force : bool
    """

    case: TranslationCase
    folder: str
    model: str
    model_sha256: str
    by_site: bool
    to: str | None
    flips: bool
    planes: bool
    guards: GuardConfig
    device: Device
    allow: tuple[str, ...]
    threads: int = 1
    journal: str | None = None
    force: bool = False


class TranslationResult(TypedDict):
    """The key of a case's record, and whether it was made now."""

    key: str
    computed: bool


def translate_case(work: TranslationWork) -> TranslationResult:
    """Translate a case, or find that it was done before.

    Raises
    ------
    CaseError
        With the reason code of what is wrong with the case; UNSEEN_SITE where the model does not
        know its site.
    OutputError
        If the result cannot be written.
    """
    start = time.perf_counter()
    key = result_key(work)
    folder = Path(work.folder)
    store = ResultStore(folder / "cases")
    if not work.force and is_kept(work, key):
        return {"key": key, "computed": False}
    use_threads(work.threads)
    made = _make(work)
    if result_key(work) != key:
        raise ImageError("UNREADABLE", "image or mask changed while it was read; run again")
    try:
        store.write(key, {"id": work.case.id, **made.told, "files": _write(work, made.volumes)})
        if work.journal is not None:
            seconds = round(time.perf_counter() - start, 3)
            Journal(Path(work.journal)).write(work.case.id, key, "done", seconds=seconds)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return {"key": key, "computed": True}


def result_key(work: TranslationWork) -> str:
    """Return the digest of model, options, versions, and content of images and masks.

    Raises
    ------
    ImageError
        If a file is not there or cannot be read.
    """
    case, found = work.case, versions()
    if case.lacks:
        raise ImageError("MISSING_FILE", case.lacks)
    digest = digest_value({
        "content": case.source.content(case.source.files()),
        "model": work.model_sha256,
        "site": case.site if work.by_site else None,
        "to": work.to,
        "views": [work.flips, work.planes],
        "guards": work.guards.model_dump(mode="json"),
        "device": describe_device(choose_device(work.device)),
        "made_by": [found.get(name, "") for name in MAKERS],
    })  # fmt: skip
    return f"{owner_of(case.id)}-{digest[:52]}"


def is_kept(work: TranslationWork, key: str) -> bool:
    """Tell whether the whole result of a case is there, its images included."""
    record = ResultStore(Path(work.folder) / "cases").read(key)
    return record is not None and product_is_whole(record, Path(work.folder))


@dataclass(frozen=True)
class _Made:
    """Images by the part of their file's name and the modality, and what is told of them."""

    volumes: dict[tuple[str, str], Volume]
    told: dict[str, Any]


def _make(work: TranslationWork) -> _Made:
    translator = _load(work.model, work.model_sha256, work.device, work.allow)
    target = translator.reference if work.to is None else work.to
    if work.by_site and not work.case.site:
        raise CaseError("UNSEEN_SITE", "the table does not say the site of the case; fill it in")
    read = read_case(work.case)
    try:
        generator = translator.forwards
        if work.by_site:
            generator = translator.generator_for(work.case.site, to=work.to)
    except UnseenSiteError as error:
        raise CaseError("UNSEEN_SITE", str(error)) from error
    modalities = list(read.stack.images)
    told: dict[str, Any] = {
        "to": target, "translated": generator is not None, "modalities": modalities,
        "notes": list(read.notes),
    }  # fmt: skip
    if generator is None:
        same = {
            ("", m): v.with_array(_single(v)) for m, v in zip(modalities, read.volumes, strict=True)
        }
        return _Made(same, {**told, "measures": {}, "flags": []})
    device, images = choose_device(work.device), read.channels()
    size = (images.shape[2], images.shape[3])
    applied = apply_generator(
        generator, translator.config, images, read.mask, flips=work.flips, planes=work.planes,
        batch=_batch(generator, translator, size, work.device), device=device,
    )  # fmt: skip
    return _Made(_on_own_grid(read, applied), {**told, **_judge(read, images, applied, work)})


def _on_own_grid(read: ReadCase, applied: Applied) -> dict[tuple[str, str], Volume]:
    """Return images as their files hold them; outside of the mask, what was there."""
    order, found = read.stack.order, dict[tuple[str, str], Volume]()
    inside = order.to_grid(read.mask)
    for place, (modality, volume) in enumerate(zip(read.stack.images, read.volumes, strict=True)):
        made = order.to_grid(applied.images[place])
        if not np.isfinite(made).all():
            raise CaseError(
                "NONFINITE", "the network made intensities that are not finite of this image"
            )
        found["", modality] = Volume(np.where(inside, made, _single(volume)), volume.geometry)
        if applied.spread is not None:
            spread = order.to_grid(applied.spread[place])
            found[SPREAD, modality] = Volume(np.ascontiguousarray(spread), volume.geometry)
    return found


def _judge(
    read: ReadCase, before: NDArray[np.float32], applied: Applied, work: TranslationWork
) -> dict[str, Any]:
    measures: dict[str, Any] = {}
    flags: list[dict[str, Any]] = []
    for place, modality in enumerate(read.stack.images):
        spread = None if applied.spread is None else applied.spread[place]
        found = guard(
            before[place], applied.images[place], read.mask, None, read.lesion, spread
        )  # fmt: skip
        measures[modality] = asdict(found)
        flags += [{"modality": modality, **asdict(flag)} for flag in found.flags(work.guards)]
    return {"measures": measures, "flags": flags}


def _write(
    work: TranslationWork, volumes: dict[tuple[str, str], Volume]
) -> dict[str, dict[str, Any]]:
    """Write images as whole files; return path, size and SHA-256 of each, by its role."""
    name, folder = plain_name(work.case.id), Path(work.folder)
    plan = ProductPlan(f"images/{name}", name)
    written: dict[str, dict[str, Any]] = {}
    for (part, modality), volume in volumes.items():
        path = plan.path("_".join(filter(None, (modality, part))))
        file = folder / path
        write_nifti(volume, file, Path(work.case.source.case.images[modality]))
        written[f"{part or 'image'} {modality}"] = {
            "path": path, "bytes": file.stat().st_size, "sha256": digest_file(file),
        }  # fmt: skip
    return written


def _single(volume: Volume) -> NDArray[np.float32]:
    return volume.array.astype(np.float32)


@lru_cache(maxsize=1)
def _load(model: str, sha256: str, device: Device, allow: tuple[str, ...]) -> Translator:
    """Load a model once a process; its digest tells it from one that took its place."""
    del sha256
    return load_translator(Path(model), choose_device(device), allow)


def _batch(generator: Any, translator: Translator, size: tuple[int, int], device: Device) -> int:
    return fitting_batch(generator, translator.config, size, choose_device(device))
