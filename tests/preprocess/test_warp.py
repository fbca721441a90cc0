"""A deformation follows its field, has a way back, and ITK and its files agree with it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.deformation import Deformation, on_grid
from harmonize_kit.preprocess.registration_carry import carry_labels
from harmonize_kit.preprocess.registration_labels import label_volumes
from harmonize_kit.preprocess.transforms import Affine
from harmonize_kit.preprocess.warp import Warp

# Axes as a scanner has them: reversed, and not those of the world.
DIRECTION = (0.0, -1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry((36, 40, 32), (2.0, 2.0, 2.5), (30.0, 45.0, -20.0), DIRECTION)
AFFINE = Affine((1.08, 0.1, 0.0, -0.1, 0.95, 0.02, 0.0, -0.02, 1.04), (3.0, -2.0, 5.0))


def field(mm: float = 5.0) -> NDArray[Any]:
    """Return a smooth displacement of at most ``mm``, 0 towards the border, (z, y, x, 3)."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID.size[::-1]), indexing="ij")
    bump = np.exp(-4.0 * (x**2 + y**2 + z**2))
    waves = [np.sin(2.5 * y + 1.0), np.cos(2.0 * z - x), np.sin(2.0 * x - y)]
    return np.stack([mm / np.sqrt(3.0) * bump * wave for wave in waves], axis=-1)


@lru_cache
def warp() -> Warp:
    return Warp.fit(field(), GRID, 5.0)


@lru_cache
def deformation() -> Deformation:
    return Deformation(warp(), warp().inverse(), AFFINE)


@lru_cache
def points() -> NDArray[Any]:
    index = np.random.default_rng(0).uniform(4, 26, (60, 3))
    direction = np.reshape(DIRECTION, (3, 3))
    return np.asarray(index * GRID.spacing @ direction.T + GRID.origin, np.float64)


def test_the_spline_follows_the_field() -> None:
    held = warp().displacement_on(GRID)
    assert np.abs(field()).max() > 2.0
    assert np.abs(held - field()).max() < 0.06


def test_itk_maps_points_the_same_way() -> None:
    theirs = [warp().to_itk().TransformPoint(point.tolist()) for point in points()]
    np.testing.assert_allclose(warp().apply(points()), theirs, atol=1e-9)
    theirs = [deformation().to_itk().TransformPoint(point.tolist()) for point in points()]
    np.testing.assert_allclose(deformation().apply(points()), theirs, atol=1e-9)


def test_the_grid_says_the_same_as_single_points() -> None:
    bent = on_grid({"t1": deformation()}, GRID)["t1"].to_itk()
    for index in ((3, 5, 7), (20, 18, 16), (30, 30, 25)):
        steps = np.multiply(index, GRID.spacing)
        point = np.reshape(DIRECTION, (3, 3)) @ steps + GRID.origin
        expected = deformation().apply(point[None])[0]
        np.testing.assert_allclose(bent.TransformPoint(point.tolist()), expected, atol=1e-9)


def test_the_way_back_is_exact_for_points_and_near_for_its_spline() -> None:
    np.testing.assert_allclose(warp().undo(warp().apply(points())), points(), atol=5e-4)
    back = deformation().apply_inverse(deformation().apply(points()))
    assert np.linalg.norm(back - points(), axis=1).max() < 0.1


@pytest.mark.parametrize("way", ["text", "inverse_text"])
def test_the_files_are_what_itk_reads(tmp_path: Path, way: str) -> None:
    path = tmp_path / "transform.tfm"
    path.write_text(getattr(deformation(), way)())
    theirs = sitk.ReadTransform(str(path))
    ours = deformation().apply if way == "text" else deformation().apply_inverse
    expected = [theirs.TransformPoint(point.tolist()) for point in points()]
    np.testing.assert_allclose(ours(points()), expected, atol=1e-9)


def test_the_jacobian_is_that_of_finite_differences() -> None:
    step = 1e-3
    columns = [
        (warp().apply(points() + step * unit) - warp().apply(points() - step * unit)) / (2 * step)
        for unit in np.eye(3)
    ]
    expected = np.linalg.det(np.stack(columns, axis=-1))
    inside = Geometry((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), DIRECTION)
    found = [
        warp().jacobian_on(Geometry(inside.size, inside.spacing, tuple(p), DIRECTION)).item()
        for p in points().tolist()
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert float(np.ptp(expected)) > 0.2


@pytest.mark.parametrize("transform", [AFFINE, deformation()], ids=["affine", "deformable"])
def test_a_label_keeps_its_volume_but_for_what_the_transform_explains(
    transform: Affine | Deformation,
) -> None:
    # Half the spacing: the law is about the transform, not about voxels at a surface.
    fine = Geometry((72, 80, 64), (1.0, 1.0, 1.25), GRID.origin, DIRECTION)
    z, y, x = np.mgrid[:64, :80, :72]
    centre = transform.apply(_centre(fine)[None])[0]
    scan = Geometry((90, 90, 80), (1.0, 1.0, 1.25), tuple(centre - (45.0, 45.0, 50.0)))
    z, y, x = np.mgrid[:80, :90, :90]
    ball = ((z - 40) * 1.25) ** 2 + (y - 45) ** 2 + (x - 45) ** 2 <= 14**2
    before = Volume(ball.astype(np.uint8) * 3, scan)
    after = carry_labels(before, on_grid({"": transform}, fine)[""], fine)
    change = np.abs(np.linalg.det(AFFINE.linear)) * np.ones(after.array.shape)
    if isinstance(transform, Deformation):
        change = np.abs(transform.volume_change_on(fine))
    explained = float(change[after.array == 3].sum()) * 1.25
    assert explained == pytest.approx(float(ball.sum()) * 1.25, rel=0.02)
    volumes, notes = label_volumes(before, after, transform)
    assert set(volumes) == {"3"}
    assert not notes
    half = after.with_array(np.where(np.arange(72) < 36, after.array, 0))
    assert "label 3" in label_volumes(before, half, transform)[1][0]


def _centre(grid: Geometry) -> NDArray[np.float64]:
    middle = (np.asarray(grid.size) - 1) / 2 * grid.spacing
    return np.asarray(np.reshape(grid.direction, (3, 3)) @ middle + grid.origin, np.float64)


def test_a_fold_has_no_way_back() -> None:
    folded = Warp.fit(field(60.0), GRID, 5.0)
    assert folded.jacobian_on(GRID).min() < 0
    with pytest.raises(PreprocessingError, match="way back"):
        folded.inverse()


def test_a_grid_askew_is_refused() -> None:
    askew = Geometry(GRID.size, GRID.spacing, GRID.origin)
    with pytest.raises(PreprocessingError, match="along the axes"):
        warp().displacement_on(askew)
