import platform

import numpy as np
import pytest
from numpy.typing import NDArray
from radiomics import cShape
from scipy.ndimage import gaussian_filter

from harmonize_kit.features import triangles
from harmonize_kit.features.triangles import mesh_area_and_volume

# Elsewhere compilers may fuse products and sums in PyRadiomics.
PLAIN_DOUBLES = platform.machine().lower() in {"x86_64", "amd64"}
SPACING = np.array([1.7, 0.93, 0.61])


def assert_equal_to_pyradiomics(
    region: NDArray[np.bool_], spacing: NDArray[np.float64] = SPACING
) -> None:
    area, volume, _ = cShape.calculate_coefficients(np.ascontiguousarray(region), spacing)
    tolerance = 0 if PLAIN_DOUBLES else 1e-12
    assert mesh_area_and_volume(region, spacing) == pytest.approx(
        (area, volume), rel=tolerance, abs=tolerance
    )


def blob(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    smooth = gaussian_filter(rng.normal(size=shape), 1.5)
    return np.pad(smooth > np.quantile(smooth, 0.7), 1)


def test_noise_of_all_patterns_gives_pyradiomics_bits() -> None:
    rng = np.random.default_rng(1)
    seen = np.zeros(256, dtype=bool)
    for _ in range(300):
        region = rng.random(rng.integers(2, 11, 3)) < rng.uniform(0.05, 0.95)
        seen[triangles._patterns(region)] = True
        assert_equal_to_pyradiomics(region, np.exp(rng.uniform(-3, 3, 3)))
    assert seen.all()


def test_each_pattern_alone_and_after_another_cube_gives_pyradiomics_bits() -> None:
    rng = np.random.default_rng(2)
    for pattern in range(256):
        cube = np.unpackbits(np.array([pattern], dtype=np.uint8)).reshape(2, 2, 2).astype(bool)
        assert_equal_to_pyradiomics(cube, rng.uniform(0.3, 3, 3))
        before = rng.integers(0, 4, 3)
        assert_equal_to_pyradiomics(np.pad(cube, [(n, 0) for n in before]), rng.uniform(0.3, 3, 3))


@pytest.mark.parametrize("shape", [(9, 14, 20), (21, 8, 11), (4, 30, 5)])
def test_blobs_give_pyradiomics_bits_whatever_the_blocks(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    for block in (1, 50, 4096):
        monkeypatch.setattr(triangles, "BLOCK", block)
        assert_equal_to_pyradiomics(blob(rng, shape), rng.uniform(0.3, 3, 3))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", ["line", "plane", "voxel far away", "without border", "holed"])
def test_thin_and_lone_regions_give_pyradiomics_bits(kind: str, axis: int) -> None:
    region = np.zeros((7, 9, 8), dtype=bool)
    if kind == "line":
        region[3, 4, 2:6] = True
    elif kind == "plane":
        region[2:5, 2:7, 3] = True
    elif kind == "voxel far away":
        region = np.zeros((3, 3, 400), dtype=bool)
        region[1, 1, 397] = True
    elif kind == "without border":
        region[2:5, 3:, :5] = True
    else:
        region[1:-1, 1:-1, 1:-1] = True
        region[3, 4, 4] = False
    # Turned views are not contiguous, which must not matter.
    assert_equal_to_pyradiomics(np.moveaxis(region, 2, axis))


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (1, 1, 1)])
def test_region_without_a_surface_has_neither_area_nor_volume(
    shape: tuple[int, int, int], inside: bool
) -> None:
    region = np.full(shape, inside)
    assert_equal_to_pyradiomics(region)
    assert mesh_area_and_volume(region, SPACING) == (0, 0)


def test_one_voxel_has_the_surface_and_volume_of_an_octahedron() -> None:
    region = np.zeros((3, 3, 3), dtype=bool)
    region[1, 1, 1] = True
    assert mesh_area_and_volume(region, np.ones(3)) == pytest.approx((np.sqrt(3), 1 / 6))
