"""What tests of DICOM conversion share: an array, and two comparisons."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
from dicom import GRID
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import DependencyError
from harmonize_kit.storage.dcm2niix import dcm2niix_version
from harmonize_kit.storage.grid_order import in_order_of

needs_dcm2niix = pytest.mark.skipif(dcm2niix_version() is None, reason="dcm2niix is not installed")


def array(grid: Geometry = GRID) -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(0, 900, grid.size[::-1]).astype(np.uint16)


def assert_same_world(found: Volume, truth: Volume) -> None:
    """Every voxel has the value of the truth at the truth's place in the patient."""
    ordered = in_order_of(found, truth.geometry)
    assert truth.geometry.difference(ordered.geometry, 1e-4) is None
    assert np.array_equal(ordered.array, truth.array)


def nothing_occurs(marks: set[str], *contents: bytes) -> None:
    """No mark occurs in what was written, nor in what it decompresses to."""
    for content in contents:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else b""
        text = (content + plain).lower()
        found = {mark for mark in marks if mark.lower().encode() in text}
        assert not found


def not_installed(*_: Any) -> Any:
    raise DependencyError("dcm2niix is not installed")
