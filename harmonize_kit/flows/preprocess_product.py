"""The images of a finished case on disk, and the record that says what they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.core.volume import Volume
from harmonize_kit.flows.preprocess_input import CaseInput
from harmonize_kit.flows.preprocess_kept import untouched_labels
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.storage.nifti_product import tells_nothing, write_nifti
from harmonize_kit.storage.results import plain_name
from harmonize_kit.storage.whole import whole_file, write_text

Record = Mapping[str, Any]
Sheet = tuple[str, str]
# Label images of one file, which can be copied as they are.
COPIED = (".nii.gz", ".nii")


@dataclass(frozen=True)
class ProductPlan:
    """Where the images of a case go, below the output folder.

    Parameters
    ----------
    place : str
        Folder, with slashes.
    stem : str
        What the names of the files begin with.
    labels : str
        What the name of the label image ends with, before its suffix: ``labels``, or ``seg`` as
        BraTS calls it.
    sheet : str
        Path of the page of pictures; empty for none.
    separator : str
        Between the parts of a name: ``_``, or ``-`` in BraTS folders since 2023.
    """

    place: str
    stem: str
    labels: str = "labels"
    sheet: str = ""
    separator: str = "_"

    def describe(self) -> dict[str, str]:
        """Return the plan as plain values."""
        return asdict(self)

    def path(self, part: str, suffix: str = ".nii.gz") -> str:
        """Return the path of one file, such as ``images/sub-01/sub-01_t1.nii.gz``."""
        ending = self.separator.join(plain_name(word) for word in (self.stem, part) if word)
        return f"{self.place}/{ending}{suffix}"


@dataclass(frozen=True)
class Finished:
    """A case that went through its stages.

    Parameters
    ----------
    source : CaseInput
    plan : ProductPlan
    folder : Path
        Output folder.
    before, after : Scans
        As they came, and as the last stage left them.
    records : tuple of mapping
        Of its stages; see :class:`~harmonize_kit.flows.preprocess_kept.KeptStages`.
    notes : tuple of str
        What its files told.
    registration : RegistrationConfig, optional
        Where the stage ran.
    """

    source: CaseInput
    plan: ProductPlan
    folder: Path
    before: Scans
    after: Scans
    records: tuple[Record, ...]
    notes: tuple[str, ...]
    registration: RegistrationConfig | None = None


def write_product(
    done: Finished, byproducts: Mapping[str, Volume | str], sheet: Sheet | None = None
) -> dict[str, Any]:
    """Write the images of a case, each as a whole file, and return their record.

    The record has the path, size and SHA-256 of every file by its role, and what each stage
    decided. ``sheet`` is the page of pictures with its thumbnail.
    """
    files, plan = _Files(done.folder), done.plan
    _write_images(done, files)
    copied = _write_labels(done, files)
    for name, value in byproducts.items():
        if isinstance(value, str):
            files.text(name, plan.path(name, ".tfm"), value)
        else:
            files.image(name, plan.path(name), value)
    for modality, part in _sidecars(done).items():
        text = json.dumps(part, indent=2, sort_keys=True) + "\n"
        files.text(f"sidecar {modality}", plan.path(modality, ".json"), text)
    if sheet is not None:
        files.text("sheet", plan.sheet, sheet[0])
    return {
        "id": done.source.case.id,
        "modalities": list(done.after.images),
        "decided": {record["stage"]: record["decided"] for record in done.records},
        "notes": [*done.notes, *(note for record in done.records for note in record["notes"])],
        "files": files.written,
        "copied": copied,
        "thumbnail": "" if sheet is None else sheet[1],
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def product_is_whole(record: Record, folder: Path) -> bool:
    """Tell whether every file of a record is there as it was written."""
    for file in record["files"].values():
        path = folder / file["path"]
        try:
            if path.stat().st_size != file["bytes"] or digest_file(path) != file["sha256"]:
                return False
        except OSError:
            return False
    return True


class _Files:
    """The files that are written, with what proves them whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: dict[str, dict[str, Any]] = {}

    def image(self, role: str, path: str, volume: Volume, like: Path | None = None) -> None:
        write_nifti(volume, self.folder / path, like)
        self._note(role, path)

    def text(self, role: str, path: str, text: str) -> None:
        write_text(self.folder / path, text)
        self._note(role, path)

    def copy(self, role: str, path: str, source: Path) -> None:
        with whole_file(self.folder / path) as temporary:
            shutil.copyfile(source, temporary)
        self._note(role, path)

    def _note(self, role: str, path: str) -> None:
        file = self.folder / path
        size, digest = file.stat().st_size, digest_file(file)
        self.written[role] = {"path": path, "bytes": size, "sha256": digest}


def _write_images(done: Finished, files: _Files) -> None:
    inputs = {modality: Path(path) for modality, path in done.source.case.images.items()}
    masks: dict[str, Volume] = {}
    for modality, volume in done.after.images.items():
        files.image(f"image {modality}", done.plan.path(modality), volume, inputs[modality])
        if volume.mask is not None:
            masks[modality] = Volume(volume.mask, volume.geometry)
    first = next(iter(masks.values()), None)
    # One mask for all where it is one, as it is once images are registered.
    shared = first is not None and len(masks) == len(done.after.images)
    if first is not None and shared and all(_equal(first, mask) for mask in masks.values()):
        like = next(iter(inputs.values()))
        files.image("mask", done.plan.path("mask"), first, like)
        return
    for modality, mask in masks.items():
        path = done.plan.path(f"{plain_name(modality)}_mask" if modality else "mask")
        files.image(f"mask {modality}", path, mask, inputs[modality])


def _write_labels(done: Finished, files: _Files) -> bool:
    """Write the labels; where no stage touched them, copy their file as it is, and say so."""
    labels, source = done.after.labels, Path(done.source.case.mask)
    if labels is None:
        return False
    suffix = next((ending for ending in COPIED if source.name.endswith(ending)), "")
    untouched = not done.records or untouched_labels(done.records[-1])
    if untouched and suffix and tells_nothing(source):
        files.copy("labels", done.plan.path(done.plan.labels, suffix), source)
        return True
    files.image("labels", done.plan.path(done.plan.labels), labels, source)
    return False


def _sidecars(done: Finished) -> dict[str, Any]:
    """Return what the headers of converted series said, by modality."""
    for record in done.records:
        if record["stage"] == "convert":
            converted = record["decided"]["converted"]
            return {modality: part["sidecar"] for modality, part in converted.items()}
    return {}


def _equal(one: Volume, other: Volume) -> bool:
    if one.array is other.array:
        return True
    return one.geometry.difference(other.geometry) is None and np.array_equal(
        one.array, other.array
    )
