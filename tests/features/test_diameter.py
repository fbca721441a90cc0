"""Diameters by the hull are those of all pairs of vertices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from harmonize_kit.features.diameter import mesh_diameters


def all_pairs(
    region: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    from radiomics import cShape

    return tuple(cShape.calculate_coefficients(region, spacing)[2])


@pytest.mark.parametrize("seed", range(30))
def test_random_regions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=rng.integers(3, 26, 3)), rng.uniform(0, 3))
    region = np.pad(field > np.quantile(field, rng.uniform(0.1, 0.95)), 1)
    spacing = rng.uniform(0.4, 4, 3) if seed % 2 else np.ones(3)
    np.testing.assert_allclose(
        mesh_diameters(region, spacing), all_pairs(region, spacing), rtol=1e-12, atol=0
    )


def shapes() -> dict[str, NDArray[np.bool_]]:
    line, diagonal, sheet, voxel = (
        np.zeros((70, 72, 74), dtype=bool) for _ in range(4)
    )  # fmt: skip
    line[3, 3, 2:70] = True
    steps = np.arange(2, 66)
    diagonal[steps, steps, steps] = True
    sheet[5, 2:60, 3:70] = True
    voxel[4, 4, 4] = True
    return {"line": line, "diagonal": diagonal, "sheet": sheet, "voxel": voxel}


@pytest.mark.parametrize("name", ["line", "diagonal", "sheet", "voxel"])
def test_flat_and_thin_regions(name: str) -> None:
    region, spacing = shapes()[name], np.array([2.5, 0.7, 0.9])
    np.testing.assert_allclose(
        mesh_diameters(region, spacing), all_pairs(region, spacing), rtol=1e-12, atol=0
    )


def test_a_ball_whose_vertices_are_all_on_the_hull() -> None:
    z, y, x = np.mgrid[:41, :41, :41]
    region = (z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 18**2
    assert mesh_diameters(region, np.ones(3)) == all_pairs(region, np.ones(3))
