"""The converter dcm2niix, run on the files of one volume.

Its words, file names and sidecars may quote the patient, so it works in a folder that is gone
before anything is returned, under names that say nothing, and what it prints is not passed on.

References
----------
Li, Morgan, Ashburner, Smith & Rorden 2016, J Neurosci Methods 264:47, doi:10.1016/
j.jneumeth.2016.03.001.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import SimpleITK as sitk

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import DependencyError, ImageError
from harmonize_kit.storage.itk import from_itk

# Plain voxels: no name of a defaults file, no cropping, slope of the display as DICOM defines it
# (Philips' "precise" values are another scale than every other reader gives), no dates in JSON.
OPTIONS = (
    "-g", "i", "-b", "y", "-ba", "y", "-z", "n", "-p", "n", "-x", "n", "-m", "2", "-i", "n",
    "-f", "image",
)  # fmt: skip


class Converted(NamedTuple):
    """What dcm2niix made of the files of one volume."""

    volume: Volume
    fields: dict[str, object]


def dcm2niix_version() -> str | None:
    """Return the version of dcm2niix, or None where it is not installed."""
    try:
        import_module("dcm2niix")
    except ImportError:
        return None
    return version("dcm2niix")


def run_dcm2niix(files: Sequence[Path], timeout: float = 600.0) -> Converted:
    """Convert the files of one volume.

    Parameters
    ----------
    files : sequence of Path
    timeout : float
        Seconds after which the converter is stopped.

    Raises
    ------
    DependencyError
        If dcm2niix is not installed.
    ImageError
        UNREADABLE if it fails or makes no image, NOT_3D if it makes several, TIMEOUT.
    """
    with tempfile.TemporaryDirectory(prefix="harmonize-kit-") as scratch:
        given, made = Path(scratch, "given"), Path(scratch, "made")
        given.mkdir()
        made.mkdir()
        for number, file in enumerate(files):
            (given / f"{number:06d}.dcm").symlink_to(file.absolute())
        try:
            done = subprocess.run(  # noqa: S603 - a program of ours, on names of ours
                [_program(), *OPTIONS, "-o", str(made), str(given)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ImageError(
                "TIMEOUT", f"dcm2niix took over {timeout:g} s; is the series damaged?"
            ) from error
        except OSError as error:
            raise DependencyError(
                f"dcm2niix cannot be run ({error.strerror}); install it again"
            ) from error
        return _result(made, done.returncode)


def _result(made: Path, code: int) -> Converted:
    images = sorted(made.glob("*.nii"))
    # Slices that were not evenly spaced are interpolated to such a file beside the plain one.
    images = [image for image in images if "_Eq" not in image.stem] or images
    if not images:
        raise ImageError("UNREADABLE", f"dcm2niix made no image of it (exit code {code})")
    if len(images) > 1:
        raise ImageError("NOT_3D", f"dcm2niix made {len(images)} images of it, expected 1")
    image = sitk.ReadImage(str(images[0]))
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ImageError("NOT_3D", f"expected one volume, got size {image.GetSize()} of dcm2niix")
    sidecar = images[0].with_suffix(".json")
    fields: object = {}
    if sidecar.is_file():
        try:
            fields = json.loads(sidecar.read_text(encoding="utf-8", errors="replace"))
        except ValueError:
            # Text of odd alphabets may break the file; what matters stands in the header as well.
            fields = {}
    found = cast(dict[str, object], fields) if isinstance(fields, dict) else {}
    return Converted(from_itk(image), found)


def _program() -> str:
    try:
        package: Any = import_module("dcm2niix")
    except ImportError as error:
        raise DependencyError(
            "converting this DICOM needs dcm2niix; pip install 'harmonize-kit[dicom]'"
        ) from error
    return str(package.bin)
