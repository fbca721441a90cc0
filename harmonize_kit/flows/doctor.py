"""doctor: what is installed, what works here, and a known answer."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import HarmonizeError
from harmonize_kit.features import FeatureExtractor, describe_provider
from harmonize_kit.provenance import versions

OPTIONAL = {
    "torch": "image-level harmonization (extra 'image')",
    "dask-jobqueue": "SLURM and other batch systems (extra 'cluster')",
    "neuroHarmonize": "comparison with neuroHarmonize (extra 'neuroharmonize')",
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is as it must be, and what was found."""

    name: str
    ok: bool
    found: str
    required: bool = True


def doctor() -> list[Check]:
    """Return everything that was looked at; all required checks must be ok."""
    found = versions()
    checks = [Check(name, True, text) for name, text in found.items()]
    checks.append(_provider())
    checks.append(_known_answer())
    checks.append(_writable())
    cores = len(os.sched_getaffinity(0))
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    checks.append(Check("cores", True, f"{cores} usable"))
    checks.append(Check("disk", free > 1, f"{free:.0f} GB free in this folder", required=False))
    checks += [_optional(name, purpose) for name, purpose in OPTIONAL.items()]
    return checks


def _provider() -> Check:
    try:
        found = describe_provider()
    except HarmonizeError as error:
        return Check("PyRadiomics", False, str(error))
    return Check("PyRadiomics", "instead of" not in found, found, required=False)


def _known_answer() -> Check:
    """Extract from a ball of radius 5 with a ramp along x, whose numbers follow from geometry.

    By symmetry the mean of the ramp is its value at the centre, and the voxel volume is the number
    of lattice points of the ball, 515.
    """
    z, y, x = np.mgrid[:15, :15, :15]
    ball = (z - 7) ** 2 + (y - 7) ** 2 + (x - 7) ** 2 <= 25
    volume = Volume(10.0 * x, Geometry((15, 15, 15)), ball.astype(np.uint8))
    config = ExtractionConfig(featureClass={"firstorder": ["Mean"], "shape": ["VoxelVolume"]})
    try:
        values = FeatureExtractor(config).extract(volume, 1).values
    except HarmonizeError as error:
        return Check("known-answer extraction", False, str(error))
    mean, size = values["original_firstorder_Mean"], values["original_shape_VoxelVolume"]
    ok = bool(np.isclose(mean, 70.0) and np.isclose(size, ball.sum()))
    return Check("known-answer extraction", ok, f"mean {mean:g} (70), volume {size:g} (515)")


def _writable() -> Check:
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            return Check("this folder", True, "can be written to", required=False)
    except OSError as error:
        return Check("this folder", False, f"cannot be written to ({error})", required=False)


def _optional(name: str, purpose: str) -> Check:
    try:
        return Check(name, True, f"{version(name)}: {purpose}", required=False)
    except PackageNotFoundError:
        return Check(name, False, f"not installed: {purpose}", required=False)
