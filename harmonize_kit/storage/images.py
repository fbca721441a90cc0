"""Volumes on disk: NIfTI, NRRD and MetaImage through SimpleITK."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

import SimpleITK as sitk

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import ConfigError, ImageError
from harmonize_kit.storage.itk import from_itk, mask_to_itk, to_itk
from harmonize_kit.storage.nifti import is_nifti, prove_nifti, restore_nonfinite
from harmonize_kit.storage.whole import whole_file


def read_image(path: Path) -> Volume:
    """Read a three-dimensional, single-channel image with the type it was stored in.

    Raises
    ------
    ImageError
        MISSING_FILE, EMPTY_FILE, TRUNCATED, CRC, NOT_AN_IMAGE, UNREADABLE or NOT_3D.
    """
    volume = from_itk(_three_dimensional(_read(path), path, channel=None))
    return restore_nonfinite(volume, path) if is_nifti(path) else volume


def read_mask(path: Path, channel: int = 0) -> Volume:
    """Read a label image; of several channels, ``channel`` is taken as PyRadiomics does.

    Raises
    ------
    ImageError
        As :func:`read_image`.
    """
    return from_itk(_three_dimensional(_read(path), path, channel=channel))


def data_files(path: Path) -> tuple[Path, ...]:
    """Return the files an image consists of: a header may keep its voxels in another file.

    Raises
    ------
    ImageError
        MISSING_FILE if the other file is not there, BAD_HEADER if it cannot be told.
    """
    suffix = path.suffix.lower()
    if suffix in {".hdr", ".img"}:
        files = (path.with_suffix(".hdr"), path.with_suffix(".img"))
    elif suffix in {".mhd", ".nhdr"}:
        text = path.read_text(encoding="latin1")
        found = re.search(r"(?mi)^\s*(?:ElementDataFile\s*=|data ?file:)\s*(\S.*?)\s*$", text)
        if found is None or found[1].upper().startswith("LIST") or "%" in found[1]:
            raise ImageError(
                "BAD_HEADER", f"{path.name}: expected the name of one data file; join the parts"
            )
        files = (path, path.parent / found[1])
    else:
        files = (path,)
    for file in files:
        require_file(file)
    return files


def write_image(volume: Volume, path: Path) -> None:
    """Write the intensities of ``volume`` as a whole file; the suffix chooses the format."""
    _write(to_itk(volume), path)


def write_mask(volume: Volume, path: Path) -> None:
    """Write the mask of ``volume`` as a whole file; the suffix chooses the format."""
    _write(mask_to_itk(volume), path)


def _write(image: sitk.Image, path: Path) -> None:
    if not path.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha")):
        raise ConfigError(f"{path.name}: images are written as .nii.gz, .nii, .nrrd or .mha")
    with whole_file(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True)


def _read(path: Path) -> sitk.Image:
    require_file(path)
    length = _prove_gzip(path) if path.suffix == ".gz" else path.stat().st_size
    if is_nifti(path):
        prove_nifti(path, length)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    if not reader.GetImageIOFromFileName(str(path)):
        raise ImageError(
            "NOT_AN_IMAGE",
            f"expected a NIfTI, NRRD or MetaImage file, got something else: {path.name}; "
            "is the suffix right?",
        )
    try:
        return reader.Execute()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ImageError("UNREADABLE", f"{path.name} cannot be read: {reason}") from error


def require_file(path: Path) -> None:
    """Raise ImageError (MISSING_FILE, EMPTY_FILE, UNREADABLE) unless ``path`` can be read."""
    if not path.exists():
        raise ImageError("MISSING_FILE", f"there is no file {path.name} in {path.parent}")
    if not path.is_file():
        raise ImageError("UNREADABLE", f"expected a file, got a folder or device: {path.name}")
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        raise ImageError("UNREADABLE", f"{path.name}: {error.strerror}") from error
    if not first:
        raise ImageError("EMPTY_FILE", f"{path.name} has no content; copy it again")


def _prove_gzip(path: Path) -> int:
    """Read a compressed file to its end and return the length of its content.

    ITK would fill what is missing with zeros.
    """
    length = 0
    try:
        with gzip.open(path) as file:
            while block := file.read(1 << 20):
                length += len(block)
        return length
    except EOFError as error:
        raise ImageError(
            "TRUNCATED", f"{path.name} ends in the middle of its data; copy it again"
        ) from error
    except gzip.BadGzipFile as error:
        code = "CRC" if "CRC" in str(error) else "NOT_AN_IMAGE"
        raise ImageError(
            code, f"{path.name} is no intact gzip file ({error}); copy it again"
        ) from error
    except zlib.error as error:
        raise ImageError("CRC", f"{path.name} is damaged ({error}); copy it again") from error


def _three_dimensional(image: sitk.Image, path: Path, channel: int | None) -> sitk.Image:
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise ImageError(
            "NOT_3D",
            f"{path.name}: expected three dimensions, got size {image.GetSize()}; "
            "choose one volume of a series beforehand",
        )
    components = image.GetNumberOfComponentsPerPixel()
    if channel is None and components != 1:
        raise ImageError("NOT_3D", f"{path.name}: expected one channel, got {components} (colour?)")
    if channel is not None and components > 1:
        if channel >= components:
            raise ImageError(
                "NOT_3D", f"{path.name}: Label_channel {channel} asked for, got {components}"
            )
        image = sitk.VectorIndexSelectionCast(image, channel)
    return image
