"""DICOM files made for tests: a series of slices, a structure set, a segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from harmonize_kit.core.volume import Geometry

MR, STRUCTURES = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.481.3"
# Sagittal, so that no axis of the image is the same axis of the patient.
DIRECTION = (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
GRID = Geometry((9, 8, 6), (0.9, 0.9, 2.5), (20.0, -30.0, 40.0), DIRECTION)
PATIENT = "DOE^JANE"
STUDY = generate_uid()


def write_series(
    folder: Path, array: NDArray[np.uint16], grid: Geometry = GRID, series: str = ""
) -> list[Dataset]:
    """Write an array (z, y, x) as one MR slice a file, in an order that is not that of space."""
    folder.mkdir(parents=True, exist_ok=True)
    direction = np.asarray(grid.direction).reshape(3, 3)
    series, frame = series or generate_uid(), generate_uid()
    slices: list[Dataset] = []
    for number, plane in enumerate(array):
        found = _dataset(MR, "MR", series, frame)
        position = np.asarray(grid.origin) + direction[:, 2] * grid.spacing[2] * number
        found.ImagePositionPatient = [float(f"{value:.6f}") for value in position]
        found.ImageOrientationPatient = [*direction[:, 0], *direction[:, 1]]
        found.PixelSpacing = [grid.spacing[1], grid.spacing[0]]
        found.SliceThickness = grid.spacing[2]
        found.InstanceNumber = number + 1
        found.Rows, found.Columns = plane.shape
        found.BitsAllocated = found.BitsStored = 16
        found.HighBit, found.PixelRepresentation, found.SamplesPerPixel = 15, 0, 1
        found.PhotometricInterpretation = "MONOCHROME2"
        found.PixelData = np.ascontiguousarray(plane, np.uint16).tobytes()
        save(found, folder / f"{(number * 5) % 7}{number}.dcm")
        slices.append(found)
    return slices


def write_structures(
    path: Path, regions: dict[int, tuple[str, list[NDArray[np.float64]]]], grid: Geometry = GRID
) -> None:
    """Write regions by number: a name, and contours as voxel indices x, y, z, shape (n, 3)."""
    found = _dataset(STRUCTURES, "RTSTRUCT", generate_uid(), generate_uid())
    found.StructureSetLabel = "test"
    found.StructureSetROISequence, found.ROIContourSequence = [], []
    direction = np.asarray(grid.direction).reshape(3, 3)
    for number, (name, contours) in regions.items():
        region, drawn = Dataset(), Dataset()
        region.ROINumber, region.ROIName = number, name
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = []
        for index in contours:
            points = np.asarray(grid.origin) + (index * np.asarray(grid.spacing)) @ direction.T
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{value:.6f}" for value in points.ravel()]
            drawn.ContourSequence.append(contour)
        found.StructureSetROISequence.append(region)
        found.ROIContourSequence.append(drawn)
    save(found, path)


def write_segmentation(
    path: Path, slices: list[Dataset], segments: NDArray[Any], *, fractional: bool = False
) -> None:
    """Write an array (z, y, x, segment), on the slices of a series, as a SEG file."""
    import highdicom

    codes = highdicom.sr.CodedConcept("85756007", "SCT", "Tissue")
    descriptions = [
        highdicom.seg.SegmentDescription(
            number + 1,
            f"lesion {number + 1}",
            codes,
            codes,
            highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number in range(segments.shape[3])
    ]
    kind = highdicom.seg.SegmentationTypeValues
    segmentation = highdicom.seg.Segmentation(
        slices, segments, kind.FRACTIONAL if fractional else kind.BINARY, descriptions,
        generate_uid(), 1, generate_uid(), 1, "maker", "model", "1", "1",
    )  # fmt: skip
    segmentation.save_as(path)


def save(dataset: Dataset, path: Path) -> None:
    dataset.save_as(path, enforce_file_format=True)


def _dataset(kind: str, modality: str, series: str, frame: str) -> Dataset:
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID = UID(kind)
    found.SOPClassUID, found.SOPInstanceUID = kind, generate_uid()
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.Modality, found.SeriesInstanceUID, found.FrameOfReferenceUID = modality, series, frame
    found.StudyInstanceUID, found.SeriesNumber = STUDY, 1
    found.PatientName, found.PatientID, found.PatientBirthDate = PATIENT, "123", "19700101"
    found.PatientSex, found.StudyDate, found.StudyTime = "F", "20200101", "120000"
    found.AccessionNumber, found.StudyID, found.ReferringPhysicianName = "", "", ""
    found.Manufacturer = "maker"
    return found


def read(path: Path) -> Dataset:
    return pydicom.dcmread(path)
