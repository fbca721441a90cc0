"""Whether two volumes lie on one grid, as far as a picture is concerned."""

from __future__ import annotations

from harmonize_kit.core.volume import Volume

_TOLERANCE = 1e-3  # of a voxel: a grid that went through a file differs in its last bits


def same_grid(first: Volume, second: Volume) -> bool:
    """Return whether two volumes lie on one grid."""
    return first.geometry.difference(second.geometry, _TOLERANCE) is None
