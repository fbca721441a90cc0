"""A DICOM series written as NIfTI, with a sidecar that names no one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harmonize_kit.storage.dicom_volumes import read_converted
from harmonize_kit.storage.images import write_image
from harmonize_kit.storage.sidecars import Value, sidecar_path
from harmonize_kit.storage.whole import write_text


@dataclass(frozen=True)
class Converted:
    """A series that was written as NIfTI, and its sidecar beside it."""

    image: Path
    sidecar: Mapping[str, Value]
    converter: str
    notes: tuple[str, ...] = ()


def convert_series(path: Path, out: Path, timeout: float = 600.0) -> Converted:
    """Write a DICOM series as NIfTI, with a JSON sidecar of the same name.

    The image is written anew from its voxels and geometry, so that no text of the headers, by
    which patients are known, is in it; the sidecar holds the allowed fields.

    Parameters
    ----------
    path : Path
        Folder of one series, or one of its files (see :func:`.dicom_series.series_files`).
    out : Path
        Name of the image, ``.nii.gz`` or ``.nii``.
    timeout : float
        Seconds that dcm2niix may take.

    Raises
    ------
    CaseError
        As :func:`read_converted`.
    """
    found = read_converted(path, timeout)
    write_image(found.volume, out)
    text = json.dumps(dict(found.sidecar), indent=2, sort_keys=True)
    write_text(sidecar_path(out), text + "\n")
    return Converted(out, found.sidecar, found.converter, found.notes)
