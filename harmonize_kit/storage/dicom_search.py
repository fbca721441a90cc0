"""The DICOM series below a folder, each found whole or told to be in pieces."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from harmonize_kit.errors import ImageError, TableError
from harmonize_kit.storage.dicom_headers import (
    Slice,
    is_dicom_image,
    open_header,
    read_header,
    tag,
)
from harmonize_kit.storage.dicom_series import dicom_files, volumes_in

PATIENT_ID, PATIENT_NAME, STUDY = "0010|0020", "0010|0010", "0020|000d"
DATE, TIME = "0008|0020", "0008|0030"
# What stands in headers that were emptied.
EMPTIED = re.compile(r"anon|unknown|removed|^[\W0Xx]*$|^none$", re.IGNORECASE)
DESCRIPTIONS = ("0008|103e", "0018|1030", "0018|0024")


@dataclass(frozen=True)
class FoundSeries:
    """A series that makes one volume.

    What tells the patient is there to sort by, and is never written or shown.

    Parameters
    ----------
    path : Path
        Its folder, or where that holds more than this series, one of its files; either is what
        :func:`.images.open_image` reads.
    file : Path
        One of its files.
    slices : int
    series, patient, study, when, description : str
        Which series, which patient and which study, its date and time, and what the series is
        called.
    """

    path: Path
    file: Path
    slices: int
    series: str = field(repr=False)
    patient: str = field(repr=False)
    study: str = field(repr=False)
    when: str = field(repr=False)
    description: str = field(repr=False)


@dataclass(frozen=True)
class SeriesSearch:
    """The series below a folder, in the order of their paths, and what was left out."""

    series: tuple[FoundSeries, ...]
    notes: tuple[str, ...]


def find_series(root: Path) -> SeriesSearch:
    """Return every series below a folder that makes a volume.

    Files that are no images, lack a position, or make no volume (localizers, single slices) are
    left out and counted. A folder with a damaged file is told; reading its series then fails.

    Raises
    ------
    TableError
        If the files of one series lie in several folders.
    """
    found: list[FoundSeries] = []
    owners: dict[object, Path] = {}
    without, single, damaged = 0, 0, 0
    for folder, below, _ in os.walk(root):
        below.sort()
        slices, unplaced, broken = _headers(Path(folder))
        volumes = volumes_in(slices)
        whole = [volume for volume in volumes if len(volume) > 1 or volume[0].frames > 1]
        without, damaged = without + unplaced, damaged + broken
        single += len(volumes) - len(whole)
        alone = len(volumes) == 1 and not unplaced and not broken
        for volume in whole:
            _require_together(volume[0], owners, root)
            found.append(_found(volume, Path(folder) if alone else volume[0].path))
    notes: list[str] = []
    if without:
        notes.append(f"{without} DICOM files without a position in the patient were left out")
    if single:
        notes.append(f"{single} single slices or localizers were left out")
    if damaged:
        notes.append(f"{damaged} DICOM files are damaged; the series beside them will fail")
    return SeriesSearch(tuple(found), tuple(notes))


def holds_dicom(root: Path) -> bool:
    """Tell whether a DICOM image lies in a folder or below it."""
    return any(
        is_dicom_image(file) for folder, _, _ in os.walk(root) for file in dicom_files(Path(folder))
    )


def _headers(folder: Path) -> tuple[list[Slice], int, int]:
    """Return the headers in a folder, and how many files lack a position or are damaged."""
    slices: list[Slice] = []
    unplaced = broken = 0
    for file in dicom_files(folder):
        if not is_dicom_image(file):
            continue
        try:
            slices.append(read_header(file))
        except ImageError as error:
            unplaced += error.code == "BAD_HEADER"
            broken += error.code != "BAD_HEADER"
    return slices, unplaced, broken


def _require_together(first: Slice, owners: dict[object, Path], root: Path) -> None:
    here = first.path.parent
    key = (first.series, first.size, first.contrast, first.path if first.frames > 1 else None)
    other = owners.setdefault(key, here)
    if other != here:
        raise TableError(
            f"files of one DICOM series lie in {other.relative_to(root)} and in "
            f"{here.relative_to(root)}; put them into one folder, or remove the copy"
        )


def _found(volume: list[Slice], path: Path) -> FoundSeries:
    reader = open_header(volume[0].path)
    # Where neither number nor name tells a patient, the study is the patient: it never merges two.
    patient = [tag(reader, PATIENT_ID), tag(reader, PATIENT_NAME)]
    study = tag(reader, STUDY)
    told = not all(EMPTIED.search(text) for text in patient)
    return FoundSeries(
        path,
        volume[0].path,
        max(len(volume), volume[0].frames),
        volume[0].series,
        "\n".join(patient) if told else study,
        study,
        tag(reader, DATE) + tag(reader, TIME),
        "\n".join(tag(reader, name) for name in DESCRIPTIONS),
    )
