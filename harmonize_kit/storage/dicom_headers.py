"""The headers of DICOM image files: which series, where in the patient, how many frames."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.errors import ImageError

MAGIC_OFFSET, MAGIC = 128, b"DICM"
SERIES, POSITION, ORIENTATION = "0020|000e", "0020|0032", "0020|0037"
PIXEL_SPACING, SLOPE, INTERCEPT = "0028|0030", "0028|1053", "0028|1052"
ECHO_TIME, ECHO_NUMBER, IMAGE_TYPE = "0018|0081", "0018|0086", "0008|0008"
IMAGES = "1.2.840.10008.5.1.4.1.1."
# Spectroscopy, waveforms, presentation states, registrations, segmentations, reports, documents,
# radiotherapy: objects that are no images, though they lie beside them.
NO_IMAGES = ("4.2", "9.", "11.", "45", "66", "67", "68.", "77.1.5.3", "88.", "104.", "481.")


@dataclass(frozen=True)
class Slice:
    """The header of one file of a series.

    Parameters
    ----------
    path : Path
    series : str
        SeriesInstanceUID.
    size : tuple of int
        Columns and rows.
    frames : int
        More than one in an enhanced file, which holds a whole volume.
    spacing : str
    position, orientation : ndarray of float, shape (3,) and (6,)
        Of the first voxel in mm, and the directions of row and column.
    rescale : tuple of str
        Slope and intercept.
    contrast : tuple of str
        Number and time of the echo, and what kind of image it is (magnitude, phase, water, fat).
    """

    path: Path
    series: str
    size: tuple[int, ...]
    frames: int
    spacing: str
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    rescale: tuple[str, str]
    contrast: tuple[str, ...]


def is_dicom_file(path: Path) -> bool:
    """Tell whether a file begins as a DICOM file does, whatever its name."""
    try:
        # To open a pipe would be to wait for ever.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(MAGIC_OFFSET + len(MAGIC))[MAGIC_OFFSET:] == MAGIC
    except (OSError, ValueError):
        return False


def is_dicom_image(path: Path) -> bool:
    """Tell whether a file is DICOM and not one of the objects that are no images."""
    if not is_dicom_file(path):
        return False
    kind = sop_class(path)
    return not kind.startswith(tuple(IMAGES + ending for ending in NO_IMAGES))


def sop_class(path: Path) -> str:
    """Return the kind of a DICOM object, (0002,0002), empty where the file does not say."""
    with path.open("rb") as file:
        head = file.read(2048)
    # The group 0002 is always written with explicit types, little endian.
    start = head.find(b"\x02\x00\x02\x00UI", MAGIC_OFFSET)
    if start < 0:
        return ""
    length = int.from_bytes(head[start + 6 : start + 8], "little")
    return head[start + 8 : start + 8 + length].decode("ascii", "replace").rstrip("\0 ")


def place_in_folder(path: Path) -> str:
    """Return words that find a file without its name, which often is that of a patient or a UID."""
    names = sorted(other.name for other in path.parent.iterdir() if other.is_file())
    return f"file {names.index(path.name) + 1} of {len(names)} in its folder, by name,"


def open_header(path: Path) -> sitk.ImageFileReader:
    """Return ITK's reader of a DICOM file, its header read and found intact.

    Raises
    ------
    ImageError
        UNREADABLE.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise unreadable(place_in_folder(path), error) from error
    return reader


def read_header(path: Path) -> Slice:
    """Return the header of an image file.

    Raises
    ------
    ImageError
        UNREADABLE, or BAD_HEADER where a tag is missing that every slice has.
    """
    reader = open_header(path)
    size = reader.GetSize()
    frames = size[2] if len(size) > 2 else 1
    if frames > 1:
        # An enhanced file keeps these for each frame; ITK has gathered them.
        direction = np.asarray(reader.GetDirection()).reshape(3, 3)
        position = np.asarray(reader.GetOrigin(), dtype=np.float64)
        orientation = np.concatenate([direction[:, 0], direction[:, 1]])
        spacing = str(reader.GetSpacing()[:2])
    else:
        position = _numbers(reader, POSITION, 3, path)
        orientation = _numbers(reader, ORIENTATION, 6, path)
        spacing = _required(reader, PIXEL_SPACING, path)
    return Slice(
        path,
        _required(reader, SERIES, path),
        size[:2],
        frames,
        spacing,
        position,
        orientation,
        (tag(reader, SLOPE), tag(reader, INTERCEPT)),
        tuple(tag(reader, name) for name in (ECHO_NUMBER, ECHO_TIME, IMAGE_TYPE)),
    )


def tag(reader: sitk.ImageFileReader, name: str) -> str:
    """Return the text of a tag (``0020|000e``), empty where there is none."""
    if not reader.HasMetaDataKey(name):
        return ""
    # What was written in another alphabet may come as bytes that are no UTF-8.
    text = reader.GetMetaData(name).encode("utf-8", "surrogateescape")
    return text.decode("utf-8", "replace").strip(" \0")


def unreadable(name: str, error: RuntimeError) -> ImageError:
    """Return the error for a file that GDCM cannot read, with the last line of its reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # The line may quote the path.
    reason = re.sub(r'"[^"]*"|\S*/\S*', "it", lines[-1])
    return ImageError("UNREADABLE", f"{name} is no intact DICOM image ({reason}); copy it again")


def _required(reader: sitk.ImageFileReader, name: str, path: Path) -> str:
    value = tag(reader, name)
    if not value:
        raise ImageError(
            "BAD_HEADER",
            f"{place_in_folder(path)} lacks the DICOM tag ({name.replace('|', ',')}); "
            "is it an image slice?",
        )
    return value


def _numbers(
    reader: sitk.ImageFileReader, name: str, count: int, path: Path
) -> NDArray[np.float64]:
    text = _required(reader, name, path)
    try:
        values = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        values = np.empty(0)
    if values.size != count or not np.isfinite(values).all():
        raise ImageError(
            "BAD_HEADER",
            f"{place_in_folder(path)} holds no {count} numbers in the DICOM tag "
            f"({name.replace('|', ',')}); export it again",
        )
    return values
