"""DICOM masks on the grid of their image: segmentations (SEG) and contours (RTSTRUCT).

A label is the number of a segment or of a region (ROI Number). Regions of one file may overlap, as
a tumour and its margin do, which voxels with one label each cannot: so only the regions that are
asked for are drawn.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import DependencyError, GeometryError, ImageError, MaskError
from harmonize_kit.storage.contours import fill_contours
from harmonize_kit.storage.dicom_headers import is_dicom_file

SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
# Grids that agree to a thousandth of a voxel are one grid; positions are written with few digits.
TOLERANCE = 1e-3
OTHER_SUFFIXES = (".nii", ".gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img")


def is_dicom_mask(path: Path) -> bool:
    """Tell whether a mask is one DICOM file: its name says so, or says nothing and it is."""
    return path.suffix.lower() == ".dcm" or (
        not path.name.lower().endswith(OTHER_SUFFIXES) and is_dicom_file(path)
    )


def read_dicom_mask(path: Path, grid: Geometry, labels: tuple[int, ...] | None) -> Volume:
    """Read the regions of a SEG or RTSTRUCT file as labels on the grid of the image.

    Parameters
    ----------
    path : Path
    grid : Geometry
        Of the image that the regions were drawn on.
    labels : tuple of int, or None
        Numbers of the segments or regions to draw; None for all.

    Returns
    -------
    Volume
        Labels as uint16.

    Raises
    ------
    ImageError
        UNREADABLE, BAD_HEADER.
    MaskError
        LABEL_MISSING (with the numbers and names that there are), EMPTY_MASK, OUTSIDE_IMAGE,
        MASK_NOT_LABELS where regions overlap or hold fractions.
    GeometryError
        If segments or contours do not lie on the grid.
    DependencyError
        If the extra ``dicom`` is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = _read(path)
        kind = str(dataset.get("SOPClassUID", ""))
        if kind in SEGMENTATION:
            names, drawn = _segments(path, grid, labels)
        elif kind == STRUCTURE_SET:
            names, drawn = _structures(dataset, path, grid, labels)
        else:
            names, drawn = {}, None
    if drawn is None:
        raise ImageError(
            "BAD_HEADER",
            f"{path.name}: expected a DICOM segmentation (SEG) or structure set (RTSTRUCT) as "
            f"mask, got {dataset.get('Modality', 'another object')}",
        )
    return Volume(_labelled(drawn, names, grid, path), grid)


def _read(path: Path) -> Any:
    pydicom = _require("pydicom")
    try:
        return pydicom.dcmread(path)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ImageError("UNREADABLE", f"{path.name} is no intact DICOM file ({reason})") from error


def _segments(
    path: Path, grid: Geometry, labels: tuple[int, ...] | None
) -> tuple[dict[int, str], dict[int, NDArray[np.bool_]]]:
    highdicom = _require("highdicom")
    try:
        segmentation = _require("highdicom.seg").segread(path)
        numbers = [int(number) for number in segmentation.segment_numbers]
        names = {n: str(segmentation.get_segment_description(n).SegmentLabel) for n in numbers}
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ImageError("UNREADABLE", f"{path.name} is no intact SEG file ({reason})") from error
    target = highdicom.VolumeGeometry(_affine(grid), grid.size[::-1], "PATIENT")
    drawn: dict[int, NDArray[np.bool_]] = {}
    for number in _asked(labels, names, path):
        try:
            volume = segmentation.get_volume(segment_numbers=[number])
            placed = volume.squeeze_channel().match_geometry(target, tol=TOLERANCE)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise GeometryError(
                f"{path.name}: segment {number} does not lie on the grid of the image ({reason}); "
                "give the image that it was drawn on"
            ) from error
        array = np.asarray(placed.array)
        if not np.isin(array, (0, 1)).all():
            raise MaskError(
                "MASK_NOT_LABELS",
                f"{path.name}: segment {number} holds fractions; threshold it, at 0.5 say",
            )
        if int(array.sum()) != int(np.asarray(volume.array).sum()):
            raise MaskError("OUTSIDE_IMAGE", f"{path.name}: segment {number} leaves the image")
        drawn[number] = array == 1
    return names, drawn


def _structures(
    dataset: Any, path: Path, grid: Geometry, labels: tuple[int, ...] | None
) -> tuple[dict[int, str], dict[int, NDArray[np.bool_]]]:
    try:
        names = {int(r.ROINumber): str(r.ROIName) for r in dataset.StructureSetROISequence}
        contours = {
            int(roi.ReferencedROINumber): [
                (str(c.ContourGeometricType), np.array(c.ContourData, dtype=np.float64))
                for c in roi.get("ContourSequence", [])
            ]
            for roi in dataset.ROIContourSequence
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise ImageError("BAD_HEADER", f"{path.name}: {error}; export it again") from error
    drawn: dict[int, NDArray[np.bool_]] = {}
    for number in _asked(labels, names, path):
        where = f"{path.name}, region {number} ({names[number]})"
        closed = [
            data.reshape(-1, 3)
            for kind, data in contours.get(number, [])
            if kind.startswith("CLOSED")
        ]
        if closed:
            drawn[number] = fill_contours(closed, grid, where)
        elif labels is not None:
            raise MaskError("EMPTY_MASK", f"{where} has no closed contour")
    return names, drawn


def _asked(labels: tuple[int, ...] | None, names: Mapping[int, str], path: Path) -> Iterable[int]:
    for number in labels or ():
        if number not in names:
            known = ", ".join(f"{n} ({name})" for n, name in sorted(names.items()))
            raise MaskError(
                "LABEL_MISSING", f"{path.name}: there is no region {number}; there are {known}"
            )
    return sorted(names) if labels is None else labels


def _labelled(
    drawn: Mapping[int, NDArray[np.bool_]], names: Mapping[int, str], grid: Geometry, path: Path
) -> NDArray[np.uint16]:
    mask = np.zeros(grid.size[::-1], np.uint16)
    for number, region in drawn.items():
        taken = np.unique(mask[region])
        if taken.any():
            other = int(taken[taken > 0][0])
            raise MaskError(
                "MASK_NOT_LABELS",
                f"{path.name}: regions {other} ({names[other]}) and {number} ({names[number]}) "
                "overlap; give each a row of its own, with one Label a row",
            )
        mask[region] = number
    return mask


def _affine(grid: Geometry) -> NDArray[np.float64]:
    """Return the map from voxel indices z, y, x to positions in mm."""
    direction = np.asarray(grid.direction).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = (direction * np.asarray(grid.spacing))[:, ::-1]
    affine[:3, 3] = grid.origin
    return affine


def _require(module: str) -> Any:
    # What these libraries say of odd files may quote them, and with them the patient.
    for name in ("pydicom", "highdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return import_module(module)
    except ImportError as error:
        raise DependencyError(
            f"DICOM masks need the module {module}; pip install 'harmonize-kit[dicom]'"
        ) from error
