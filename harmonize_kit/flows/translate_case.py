"""One case through a model: read, translate, measure, write on its own grid."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.guards import GuardConfig
from harmonize_kit.core.digest import digest_file, digest_value
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import CaseError, ImageError, UnseenSiteError
from harmonize_kit.flows.output_folder import cannot_write
from harmonize_kit.flows.preprocess_product import ProductPlan, product_is_whole
from harmonize_kit.flows.translate import Device
from harmonize_kit.flows.translate_cohort import TranslationCase
from harmonize_kit.flows.translate_load import computed_on, known_model, method_of
from harmonize_kit.flows.translate_model import Translated, TranslationModel, Views
from harmonize_kit.flows.translate_read import ReadCase, read_case
from harmonize_kit.flows.translate_tissues import tissues_of
from harmonize_kit.provenance import Journal, versions
from harmonize_kit.storage.nifti_product import write_nifti
from harmonize_kit.storage.results import ResultStore, owner_of, plain_name
from harmonize_kit.translation.guards import change_map, guard

MAKERS = ("harmonize-kit", "numpy", "scipy", "SimpleITK", "nibabel")
CHANGE, SPREAD = "change", "spread"
# Raised when what is kept of a case is no longer what was.
KEPT = 2


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
    networks : bool
        Whether it holds networks, which need torch.
    by_site : bool
        Whether the case's site is to be looked at; if not, it is taken to the reference.
    to : str, optional
        The site to make it look like, instead of the reference.
    views : Views
    guards : GuardConfig
    device : {"auto", "cpu", "cuda"}
    allow : tuple of str
    threads : int
        That networks compute with.
    journal : str, optional
        Journal to note a new result in, where this process may write to it.
    force : bool
    """

    case: TranslationCase
    folder: str
    model: str
    model_sha256: str
    networks: bool
    by_site: bool
    to: str | None
    views: Views
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
    if work.networks:
        _use_threads(work.threads)
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
        "tissues": digest_file(_existing(case.tissue)) if case.tissue else None,
        "model": work.model_sha256,
        "site": case.site if work.by_site else None,
        "to": work.to,
        "views": list(work.views),
        "guards": work.guards.model_dump(mode="json"),
        "device": computed_on(work.device, networks=work.networks),
        "kept": KEPT,
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
    model = known_model(work.model, work.model_sha256, work.device, work.allow)
    target = model.reference if work.to is None else work.to
    if work.by_site and not work.case.site:
        raise CaseError("UNSEEN_SITE", "the table does not say the site of the case; fill it in")
    read = read_case(work.case, normalised=model.needs_normalised)
    made = _translated(work, model, read)
    modalities = list(read.stack.images)
    told: dict[str, Any] = {
        "to": target, "by": method_of(Path(work.model)), "translated": made is not None,
        "modalities": modalities, "notes": [*read.notes, *(() if made is None else made.notes)],
    }  # fmt: skip
    if made is None:
        same = {
            ("", m): v.with_array(_single(v)) for m, v in zip(modalities, read.volumes, strict=True)
        }
        return _Made(same, {**told, "measures": {}, "flags": []})
    return _Made(_on_own_grid(read, made), {**told, **_judge(read, made, work)})


def _translated(
    work: TranslationWork, model: TranslationModel, read: ReadCase
) -> Translated | None:
    site = work.case.site if work.by_site else None
    try:
        return model.translate(read, site, work.to, work.views)
    except UnseenSiteError as error:
        raise CaseError("UNSEEN_SITE", str(error)) from error


def _on_own_grid(read: ReadCase, applied: Translated) -> dict[tuple[str, str], Volume]:
    """Return images as their files hold them, and maps of what changed and how sure that is.

    Outside of the mask, images are what they were, and maps are 0.
    """
    order, found = read.stack.order, dict[tuple[str, str], Volume]()
    inside = order.to_grid(read.mask)
    for place, (modality, volume) in enumerate(zip(read.stack.images, read.volumes, strict=True)):
        made = order.to_grid(applied.images[place])
        if not np.isfinite(made).all():
            raise CaseError(
                "NONFINITE", "the model made intensities that are not finite of this image"
            )
        before = _single(volume)
        after = np.where(inside, made, before)
        found["", modality] = Volume(after, volume.geometry)
        found[CHANGE, modality] = Volume(change_map(before, after, inside), volume.geometry)
        if applied.spread is not None:
            spread = order.to_grid(applied.spread[place])
            found[SPREAD, modality] = Volume(np.ascontiguousarray(spread), volume.geometry)
    return found


def _judge(read: ReadCase, applied: Translated, work: TranslationWork) -> dict[str, Any]:
    measures: dict[str, Any] = {}
    flags: list[dict[str, Any]] = []
    before, tissues = read.channels(), tissues_of(work.case, read)
    for place, modality in enumerate(read.stack.images):
        spread = None if applied.spread is None else applied.spread[place]
        found = guard(
            before[place], applied.images[place], read.mask, tissues.classes, read.lesion, spread
        )  # fmt: skip
        measures[modality] = {**asdict(found), "tissues": tissues.source}
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


def _existing(path: str) -> Path:
    if not Path(path).is_file():
        raise ImageError("MISSING_FILE", f"there is no file {Path(path).name}, of its tissues")
    return Path(path)


def _use_threads(count: int) -> None:
    from harmonize_kit.translation.device import use_threads

    use_threads(count)
