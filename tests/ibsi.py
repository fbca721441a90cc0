"""The IBSI digital phantom and its reference values, as published in the reference manual."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from harmonize_kit.core.volume import Geometry, Volume

REFERENCE = Path(__file__).parent / "oracle" / "ibsi" / "digital_phantom.csv"

# Rows are y, blanks part the slices; a bracket stands for a voxel outside of the region.
SLICES = """
1 4 4 1 1      1 4 4 1 1      1 4 4 (1) (1)   1 4 4 (1) (1)
1 4 6 1 1      1 1 6 1 1      1 1 1 1 1       1 1 1 1 1
4 1 6 4 1      (1) 1 3 1 1    1 1 (9) 1 1     1 1 1 1 1
4 4 6 4 1      4 4 6 1 1      1 1 6 1 1       1 1 6 1 1
"""


def phantom() -> Volume:
    """5 x 4 x 4 voxels of 2 mm, 74 of them in the region."""
    cells = np.array([line.split() for line in SLICES.strip().splitlines()])
    cells = cells.reshape(4, 4, 5).transpose(1, 0, 2)
    inside = np.char.find(cells, "(") < 0
    array = np.char.strip(cells, "()").astype(np.int16)
    return Volume(array, Geometry((5, 4, 4), (2.0, 2.0, 2.0)), inside.astype(np.uint8))


def reference() -> dict[str, tuple[float, float]]:
    """Reference value and tolerance by code; values are given to three significant digits."""
    table = pd.read_csv(REFERENCE, dtype={"code": str})
    size = table["value"].abs().where(table["value"] != 0, 1)
    half = 0.5 * 10 ** (np.floor(np.log10(size)) - 2)
    tolerance = np.maximum(table["tolerance"], half)
    rows = zip(table["code"], table["value"], tolerance, strict=True)
    return {str(code): (float(value), float(allowed)) for code, value, allowed in rows}
