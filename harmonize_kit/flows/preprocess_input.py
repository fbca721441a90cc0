"""The scans of a case as they come: images, lesion labels and brain mask, read and put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harmonize_kit.core.cohort import Case
from harmonize_kit.core.digest import digest_file
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import GeometryError, ImageError, MaskError
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.storage.dicom_headers import is_dicom_file
from harmonize_kit.storage.dicom_masks import is_dicom_mask
from harmonize_kit.storage.dicom_volumes import read_converted
from harmonize_kit.storage.images import data_files, open_image, open_mask

Files = dict[str, tuple[Path, ...]]
# Grids of masks that other tools wrote agree with their image up to single precision of NIfTI.
TOLERANCE = 1e-4
DICOM = "DICOM series"


class CaseReading(NamedTuple):
    """The scans of a case, what its files told, and what was converted from DICOM.

    ``converted`` holds, by modality, the allowed fields of the headers and the converter.
    """

    scans: Scans
    notes: tuple[str, ...]
    converted: dict[str, Any]

    @property
    def as_stage(self) -> Staged:
        """The reading as the outcome of the stage ``convert``."""
        return Staged(self.scans, {"converted": self.converted}, self.notes)


@dataclass(frozen=True)
class CaseInput:
    """Which files a case consists of.

    Parameters
    ----------
    case : Case
        Its mask holds the lesion labels, if any.
    brain_mask : str
        Path of a mask of the brain or body that the user gives; empty for none.
    drawn_on : str, optional
        Modality on whose image the labels were drawn; None is the first one of the same grid.
    nonfinite : {"error", "zero"}
        Whether voxels that are NaN or infinite fail the case, or become 0 and are told.
    """

    case: Case
    brain_mask: str = ""
    drawn_on: str | None = None
    nonfinite: str = "error"

    def files(self) -> Files:
        """Return the files of images and masks, by their role.

        Raises
        ------
        ImageError
            If a file is not there or cannot be read.
        """
        paths = {f"image {name}": path for name, path in self.case.images.items()}
        paths |= {"labels": self.case.mask, "brain mask": self.brain_mask}
        return {name: data_files(Path(path)) for name, path in paths.items() if path}

    def content(self, files: Files) -> dict[str, Any]:
        """Return, as plain values, all that determines what :meth:`read` gives.

        Files are read to their end; their names and folders do not count, so that a cohort may
        move.
        """
        case = self.case
        return {
            "id": case.id,
            "content": {
                name: [digest_file(file) for file in found] for name, found in files.items()
            },
            "labels": "all" if case.labels is None else list(case.labels),
            "channel": case.label_channel,
            "drawn_on": self.drawn_on,
            "nonfinite": self.nonfinite,
        }

    def without_names(self, text: str) -> str:
        """Return what is said of a case without the names of its DICOM files and their folders."""
        for path in map(Path, self.case.images.values()):
            if is_dicom(path):
                for name in (path.name, path.parent.name):
                    text = text.replace(name, DICOM) if name else text
        return text

    def read(self, *, convert: bool = False) -> CaseReading:
        """Read the scans; with ``convert``, DICOM series through dcm2niix with their sidecar.

        Raises
        ------
        CaseError
            With the reason code of what is wrong with a file, NONFINITE where an image holds NaN,
            GEOMETRY where a mask lies on the grid of no image, EMPTY_MASK for a brain mask without
            a voxel, MASK_NOT_LABELS where labels are no whole numbers.
        """
        notes: list[str] = []
        images: dict[str, Volume] = {}
        converted: dict[str, Any] = {}
        for modality, name in self.case.images.items():
            path = Path(name)
            if convert and is_dicom(path):
                reading = read_converted(path)
                fields = {"sidecar": dict(reading.sidecar), "converter": reading.converter}
                converted[modality] = fields
            else:
                reading = open_image(path)
            images[modality] = self._finite(reading.volume, path)
            prefix = f"{modality}: " if modality else ""
            notes += [prefix + self.without_names(note) for note in reading.notes]
        if self.brain_mask:
            images = _with_brain(images, open_mask(Path(self.brain_mask)).volume)
        if not self.case.mask:
            return CaseReading(Scans(images, None, next(iter(images))), tuple(notes), converted)
        labels, drawn_on, told = self._labels(images)
        return CaseReading(Scans(images, labels, drawn_on), (*notes, *told), converted)

    def _finite(self, volume: Volume, path: Path) -> Volume:
        if volume.array.dtype.kind != "f":
            return volume
        finite = np.isfinite(volume.array)
        if finite.all():
            return volume
        if self.nonfinite == "error":
            raise ImageError(
                "NONFINITE",
                f"{path.name} holds {np.count_nonzero(~finite)} voxels that are NaN or infinite, "
                "which every stage would spread; mend the image, or set 'nonfinite: zero'",
            )
        return volume.with_array(np.where(finite, volume.array, volume.array.dtype.type(0)))

    def _labels(self, images: dict[str, Volume]) -> tuple[Volume, str, tuple[str, ...]]:
        path, case = Path(self.case.mask), self.case
        if is_dicom_mask(path):
            drawn_on = next(iter(images)) if self.drawn_on is None else self.drawn_on
            grid = images[drawn_on].geometry
            reading = open_mask(path, case.label_channel, grid, case.labels or None)
            return reading.volume, drawn_on, reading.notes
        reading = open_mask(path, case.label_channel)
        volume = reading.volume
        if volume.array.dtype.kind == "f" and not np.array_equal(
            volume.array, np.rint(volume.array)
        ):
            raise MaskError(
                "MASK_NOT_LABELS",
                f"{path.name}: expected whole numbers, got fractions; threshold the mask first",
            )
        if self.drawn_on is not None:
            return volume, self.drawn_on, reading.notes
        found = [name for name in images if _on_grid_of(volume, images[name])]
        if not found:
            first = next(iter(images))
            difference = images[first].geometry.difference(volume.geometry, TOLERANCE)
            raise GeometryError(
                f"{path.name} lies on the grid of no image of the case, got {difference}; name the "
                "modality it was drawn on (drawn_on in the configuration), or resample it"
            )
        return volume, found[0], reading.notes


def is_dicom(path: Path) -> bool:
    """Tell whether an image is a DICOM series, given as a folder or one of its files."""
    return path.is_dir() or is_dicom_file(path)


def _with_brain(images: dict[str, Volume], brain: Volume) -> dict[str, Volume]:
    """Return the images, those on the grid of ``brain`` with it as their mask."""
    if not np.any(brain.array):
        raise MaskError("EMPTY_MASK", "the brain mask of the case has no voxel")
    mask = (brain.array != 0).astype(np.uint8)
    found = {name for name, volume in images.items() if _on_grid_of(brain, volume)}
    if not found:
        first = next(iter(images.values()))
        difference = first.geometry.difference(brain.geometry, TOLERANCE)
        raise GeometryError(
            f"the brain mask lies on the grid of no image of the case, got {difference}"
        )
    return {
        name: replace(volume, mask=mask) if name in found else volume
        for name, volume in images.items()
    }


def _on_grid_of(mask: Volume, image: Volume) -> bool:
    return image.geometry.difference(mask.geometry, TOLERANCE) is None
