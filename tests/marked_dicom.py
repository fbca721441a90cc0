"""A DICOM series in which every text that a header can hold is recognisable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from dicom import save, write_series
from numpy.typing import NDArray
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import Tag

TEXT = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
# They say how to read the voxels, or where they lie.
STRUCTURE = (
    "SpecificCharacterSet", "Modality", "ImageType", "PatientPosition",
    "InPlanePhaseEncodingDirection", "PhotometricInterpretation", "RescaleType",
    "PresentationLUTShape", "MRAcquisitionType",
)  # fmt: skip
# They may pass, being text of the scanner.
ALLOWED = {
    "Manufacturer": "SIEMENS Healthineers", "ManufacturerModelName": "Skyra",
    "SoftwareVersions": "syngo MR E11", "ConvolutionKernel": "B30f",
    "ScanningSequence": "GR", "SequenceVariant": "SK",
}  # fmt: skip
# Commands, file meta, folders of media, how pixels are coded, pixels.
NO_TEXT = (0x0000, 0x0002, 0x0004, 0x0028, 0x7FE0)
PRIVATE = (
    (0x0009, "GEMS_IDEN_01"), (0x0019, "SIEMENS MR HEADER"), (0x0029, "SIEMENS CSA HEADER"),
    (0x0043, "GEMS_PARM_01"), (0x0051, "SIEMENS MR HEADER"), (0x2001, "Philips Imaging DD 001"),
    (0x2005, "Philips MR Imaging DD 001"), (0x7005, "TOSHIBA_MEC_MR3"),
)  # fmt: skip
DATES = {"DA": "19470317", "TM": "031742.170347", "DT": "19470317031742", "AS": "073Y"}


def write_marked_series(folder: Path, array: NDArray[np.uint16]) -> set[str]:
    """Write a series with a mark in every text and date, in public and private elements.

    Returns the marks.
    """
    write_series(folder, array)
    marks: set[str] = set()
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        marks |= _mark(dataset)
        save(dataset, path)
    return marks


def _mark(dataset: Dataset) -> set[str]:
    marks: set[str] = set()
    for number, tag in enumerate(sorted(DicomDictionary)):
        kind, keyword = DicomDictionary[tag][0], keyword_for_tag(tag)
        if Tag(tag).group in NO_TEXT or keyword in STRUCTURE or not keyword:
            continue
        if keyword in ALLOWED:
            setattr(dataset, keyword, ALLOWED[keyword])
        elif kind in TEXT:
            marks.add(_text(dataset, tag, kind, f"ZQ{number:04d}X"))
        elif kind in DATES:
            dataset.add_new(tag, kind, DATES[kind])
    marks |= {"19470317", "031742"}
    for number, name in enumerate(("RequestAttributesSequence", "OtherPatientIDsSequence")):
        item = Dataset()
        marks.add(_text(item, Tag("RequestedProcedureID"), "SH", f"ZQS{number}X"))
        setattr(dataset, name, [item])
    for number, (group, creator) in enumerate(PRIVATE):
        block = dataset.private_block(group, creator, create=True)
        for place in (0x01, 0x08, 0x10, 0x19, 0x20, 0xFE):
            mark = f"ZQP{number}N{place}X"
            block.add_new(place, "LO", mark)
            marks.add(mark)
    return marks


def _text(dataset: Dataset, tag: Any, kind: str, mark: str) -> str:
    dataset.add_new(tag, kind, mark)
    return mark
