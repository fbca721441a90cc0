"""The sidecar of a DICOM series: allowed fields of its header, in the names and units of BIDS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import SimpleITK as sitk

from harmonize_kit.storage.dicom_headers import open_header, tag
from harmonize_kit.storage.sidecars import FIELDS, Number, Value, allowed

# Tag, and what makes BIDS' unit of DICOM's (milliseconds become seconds).
TAGS: Mapping[str, tuple[str, float]] = MappingProxyType({
    "Modality": ("0008|0060", 1),
    "Manufacturer": ("0008|0070", 1),
    "ManufacturersModelName": ("0008|1090", 1),
    "SoftwareVersions": ("0018|1020", 1),
    "MagneticFieldStrength": ("0018|0087", 1),
    "MRAcquisitionType": ("0018|0023", 1),
    "ScanningSequence": ("0018|0020", 1),
    "SequenceVariant": ("0018|0021", 1),
    "EchoTime": ("0018|0081", 1e-3),
    "RepetitionTime": ("0018|0080", 1e-3),
    "InversionTime": ("0018|0082", 1e-3),
    "FlipAngle": ("0018|1314", 1),
    "EchoTrainLength": ("0018|0091", 1),
    "PixelBandwidth": ("0018|0095", 1),
    "SliceThickness": ("0018|0050", 1),
    "SpacingBetweenSlices": ("0018|0088", 1),
    "KVP": ("0018|0060", 1),
    "XRayTubeCurrent": ("0018|1151", 1),
    "ConvolutionKernel": ("0018|1210", 1),
})  # fmt: skip
# What tells the patient, the people and the place: the whole of group 0010, and these.
PATIENT = "0010|"
TELLING = (
    "0008|0050", "0008|0080", "0008|0081", "0008|0090", "0008|0092", "0008|1010", "0008|1040",
    "0008|1048", "0008|1050", "0008|1060", "0008|1070", "0018|1000", "0020|0010", "0032|1032",
    "0040|0242", "0040|0243", "0040|0241",
)  # fmt: skip
SHORTEST = 3
GAUSS = 100.0


def series_sidecar(file: Path, converted: Mapping[str, object] | None = None) -> dict[str, Value]:
    """Return the allowed fields of a series, read from one of its files.

    Parameters
    ----------
    file : Path
        Slice, or enhanced file.
    converted : mapping, optional
        What dcm2niix wrote of the series; it finds what vendors keep in fields of their own, and
        in the frames of enhanced files, and fills what the header lacks.

    Raises
    ------
    ImageError
        UNREADABLE.
    """
    reader = open_header(file)
    identity = identity_of(reader)
    found = allowed(_fields(reader), identity)
    return {**allowed(converted or {}, identity), **found}


def identity_of(reader: sitk.ImageFileReader) -> frozenset[str]:
    """Return what identifies patient, people and place in a header, whole and word by word."""
    words: set[str] = set()
    for key in reader.GetMetaDataKeys():
        if not (key.startswith(PATIENT) or key in TELLING):
            continue
        text = tag(reader, key)
        words.add(text)
        words.update(re.split(r"[\^\\=\s,]+", text))
    return frozenset(word for word in words if len(word) >= SHORTEST)


def _fields(reader: sitk.ImageFileReader) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, (key, scale) in TAGS.items():
        text = tag(reader, key)
        if not text:
            continue
        fields[name] = text
        if isinstance(FIELDS[name], Number):
            try:
                fields[name] = float(f"{float(text.split(chr(92))[0]) * scale:.9g}")
            except ValueError:
                del fields[name]
    field = fields.get("MagneticFieldStrength")
    if isinstance(field, float) and field > GAUSS:
        # Older scanners wrote gauss.
        fields["MagneticFieldStrength"] = field / 1e4
    return fields
