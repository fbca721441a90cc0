"""Nothing by which a patient is known comes out of a header."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom
from conversion import array, assert_same_world, needs_dcm2niix, not_installed, nothing_occurs
from dicom import GRID, PATIENT, save, write_series
from marked_dicom import write_marked_series

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import CaseError
from harmonize_kit.storage import dcm2niix, dicom_volumes
from harmonize_kit.storage.dicom_conversion import convert_series
from harmonize_kit.storage.dicom_volumes import read_converted
from harmonize_kit.storage.folder_cohorts import cohort_from_folder, write_cohort
from harmonize_kit.storage.images import data_files, read_image


@needs_dcm2niix
def test_a_header_of_nifti_says_nothing(tmp_path: Path) -> None:
    write_series(tmp_path / "s", array())
    made = convert_series(tmp_path / "s", tmp_path / "i.nii.gz")
    header: Any = nibabel.load(made.image).header
    for name in ("descrip", "aux_file", "db_name", "intent_name"):
        assert bytes(header[name]).strip(b"\0") == b""
    assert not header.extensions


@pytest.mark.parametrize("converter", [pytest.param("dcm2niix", marks=needs_dcm2niix), "GDCM"])
def test_no_text_of_a_header_is_in_any_output_or_log(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    converter: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    if converter == "GDCM":
        monkeypatch.setattr(dicom_volumes, "run_dcm2niix", not_installed)
    marks = write_marked_series(tmp_path / "in" / "s", array()[:3])
    assert len(marks) > 1000
    if converter == "dcm2niix":
        # What the converter would leave in its sidecar, though asked for none.
        fields = dcm2niix.run_dcm2niix(data_files(tmp_path / "in" / "s")).fields
        assert any(mark in json.dumps(fields) for mark in marks)
    found = cohort_from_folder(tmp_path / "in")
    made = convert_series(tmp_path / "in" / "s", tmp_path / "out" / "sub-001.nii.gz")
    assert converter in made.converter
    write_cohort(found.cohort, tmp_path / "out" / "cohort.csv")
    written = [path.read_bytes() for path in (tmp_path / "out").iterdir()]
    assert len(written) == 3
    said = capfd.readouterr()
    texts = [caplog.text, said.out, said.err, *made.notes, *found.notes, repr(found)]
    nothing_occurs(marks, *written, *(text.encode() for text in texts))
    truth = Volume(array()[:3], replace(GRID, size=(9, 8, 3)))
    assert_same_world(read_image(made.image), truth)
    assert made.sidecar["Manufacturer"] == "Siemens"
    assert made.sidecar["SoftwareVersions"] == "syngo MR E11"


def test_a_name_in_an_allowed_field_is_left_out(tmp_path: Path) -> None:
    for dataset in write_series(tmp_path / "s", array()):
        dataset.ManufacturerModelName = "Skyra of Jane"
        dataset.SoftwareVersions = "E11 1970-01-01"
        dataset.ConvolutionKernel = "B30f"
        dataset.EchoTime, dataset.MagneticFieldStrength = 12345678, 30000
        save(dataset, next(p for p in (tmp_path / "s").iterdir() if _is(p, dataset)))
    sidecar = read_converted(tmp_path / "s").sidecar
    assert sidecar["ConvolutionKernel"] == "B30f"
    assert sidecar["MagneticFieldStrength"] == 3
    assert not {"ManufacturersModelName", "SoftwareVersions", "EchoTime"} & set(sidecar)
    assert "jane" not in json.dumps(dict(sidecar)).lower()


def _is(path: Path, dataset: Any) -> bool:
    return pydicom.dcmread(path).SOPInstanceUID == dataset.SOPInstanceUID


@pytest.mark.parametrize("wrong", ["lost", "short", "text", "untold"])
def test_errors_do_not_name_the_patient(tmp_path: Path, wrong: str) -> None:
    """Not even where folders and files are called like patients and by UIDs."""
    folder = tmp_path / PATIENT
    write_series(folder, array())
    for file in folder.iterdir():
        file.rename(folder / f"{pydicom.dcmread(file).SOPInstanceUID}.dcm")
    file = sorted(folder.iterdir())[2]
    dataset = pydicom.dcmread(file)
    if wrong == "lost":
        next(f for f in folder.iterdir() if pydicom.dcmread(f).InstanceNumber == 3).unlink()
    elif wrong == "short":
        file.write_bytes(file.read_bytes()[:-40])
    else:
        if wrong == "text":
            dataset["ImagePositionPatient"]._value = [PATIENT, "1", "2"]
        else:
            del dataset.ImagePositionPatient
        save(dataset, file)
    with pytest.raises(CaseError) as raised:
        convert_series(folder, tmp_path / "i.nii.gz")
    nothing_occurs({PATIENT, str(dataset.SOPInstanceUID)}, str(raised.value).encode())
    assert not list(tmp_path.glob("i.*"))
