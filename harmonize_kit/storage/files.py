"""The files an image consists of, before they are opened as an image."""

from __future__ import annotations

from pathlib import Path

from harmonize_kit.errors import ImageError
from harmonize_kit.storage import metaimage, nifti, nrrd
from harmonize_kit.storage.analyze import position_file
from harmonize_kit.storage.dicom_headers import is_dicom_image
from harmonize_kit.storage.dicom_series import series_files


def data_files(path: Path) -> tuple[Path, ...]:
    """Return the files an image consists of.

    A header may keep its voxels in another file; a folder holds the slices of a DICOM series,
    and one DICOM image stands for the series beside it.

    Raises
    ------
    ImageError
        MISSING_FILE, EMPTY_FILE or UNREADABLE for one of them, NOT_AN_IMAGE or BAD_HEADER if the
        other file cannot be told.
    """
    if path.is_dir():
        return series_files(path)
    if is_dicom_image(path):
        require_file(path)
        return series_files(path)
    suffix = path.suffix.lower()
    header, data = nifti.pair_of(path)
    require_file(header)
    if suffix in nrrd.SUFFIXES:
        data = nrrd.data_file(path) or path
    elif suffix in metaimage.SUFFIXES:
        data = metaimage.data_file(path) or path
    if data == header:
        return (path,)
    require_file(data)
    position = position_file(header)
    return (header, data) if position is None else (header, data, position)


def require_file(path: Path) -> None:
    """Raise ImageError (MISSING_FILE, EMPTY_FILE, UNREADABLE) unless ``path`` can be read.

    A folder can be read where it holds DICOM files.
    """
    try:
        exists, regular = path.exists(), path.is_file()
    except (OSError, ValueError) as error:
        raise ImageError("MISSING_FILE", f"{path.name!r} is no name of a file ({error})") from error
    if not exists:
        raise ImageError("MISSING_FILE", f"there is no file {path.name} in {path.parent}")
    if path.is_dir():
        series_files(path)
        return
    if not regular:
        raise ImageError("UNREADABLE", f"expected a file, got a device: {path.name}")
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        raise ImageError("UNREADABLE", f"{path.name}: {error.strerror}") from error
    if not first:
        raise ImageError("EMPTY_FILE", f"{path.name} has no content; copy it again")
