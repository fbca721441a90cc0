"""Which DICOM masks (SEG, RTSTRUCT) were drawn on which series."""

from __future__ import annotations

import logging
import os
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from harmonize_kit.storage.dicom_headers import sop_class
from harmonize_kit.storage.dicom_masks import SEGMENTATION, STRUCTURE_SET
from harmonize_kit.storage.dicom_series import dicom_files

TAGS = ["ReferencedFrameOfReferenceSequence", "ReferencedSeriesSequence"]


class MaskSearch(NamedTuple):
    """Masks by the SeriesInstanceUID they were drawn on, and what the user must know."""

    masks: dict[str, list[Path]]
    notes: tuple[str, ...]


def find_masks(root: Path) -> MaskSearch:
    """Return the masks below a folder by the series that they name as theirs.

    A mask that names no series, or cannot be read, is left out and counted.
    """
    files = [
        file
        for folder, _, _ in sorted(os.walk(root))
        for file in dicom_files(Path(folder))
        if sop_class(file) in (*SEGMENTATION, STRUCTURE_SET)
    ]
    if not files:
        return MaskSearch({}, ())
    try:
        pydicom: Any = import_module("pydicom")
    except ImportError:
        return MaskSearch(
            {}, (f"{len(files)} masks need pydicom; pip install 'harmonize-kit[dicom]'",)
        )
    # What the library says of odd files may quote them, and with them the patient.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    masks: dict[str, list[Path]] = {}
    unread = 0
    for file in files:
        series = _series_of(pydicom, file)
        unread += not series
        for name in series:
            masks.setdefault(name, []).append(file)
    notes = (f"{unread} masks name no series and were left out",) if unread else ()
    return MaskSearch(masks, notes)


def _series_of(pydicom: Any, file: Path) -> set[str]:
    """Return the SeriesInstanceUIDs that a mask refers to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
            found = [s.SeriesInstanceUID for s in dataset.get("ReferencedSeriesSequence", [])]
            for frame in dataset.get("ReferencedFrameOfReferenceSequence", []):
                for study in frame.get("RTReferencedStudySequence", []):
                    referred = study.get("RTReferencedSeriesSequence", [])
                    found += [series.SeriesInstanceUID for series in referred]
        except Exception:  # noqa: BLE001 - a damaged mask must not hide the series
            return set()
    return {str(name) for name in found}
