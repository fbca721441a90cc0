"""Affine transforms obey the laws of a group, and ITK agrees with every one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.registration_carry import carry_image, carry_labels
from harmonize_kit.preprocess.template import load_template, output_geometry
from harmonize_kit.preprocess.transforms import Affine

POINTS: NDArray[Any] = np.random.default_rng(0).uniform(-90, 90, (20, 3))
small = st.floats(-0.25, 0.25)
far = st.floats(-80, 80)


@st.composite
def affines(draw: st.DrawFn) -> Affine:
    matrix: NDArray[Any] = np.eye(3) + np.array([draw(small) for _ in range(9)]).reshape(3, 3)
    x, y, z = (draw(far) for _ in range(3))
    a, b, c = (draw(far) for _ in range(3))
    return Affine(tuple(float(value) for value in matrix.ravel()), (x, y, z), (a, b, c))


@given(affines())
def test_the_inverse_undoes(transform: Affine) -> None:
    back = transform.inverse().apply(transform.apply(POINTS))
    np.testing.assert_allclose(back, POINTS, atol=1e-8)


@given(affines(), affines())
def test_one_after_the_other_is_one(first: Affine, second: Affine) -> None:
    np.testing.assert_allclose(
        first.then(second).apply(POINTS), second.apply(first.apply(POINTS)), atol=1e-9
    )


@given(affines())
def test_itk_maps_points_the_same_way(transform: Affine) -> None:
    theirs = [transform.to_itk().TransformPoint(point.tolist()) for point in POINTS]
    np.testing.assert_allclose(transform.apply(POINTS), theirs, atol=1e-9)


def test_the_file_reads_back_to_the_same_numbers(tmp_path: Path) -> None:
    transform = Affine((1.1, 0.2, 0, -0.2, 0.9, 1 / 3, 0, 0, 1), (1e-17, -7.25, 3.1), (0.1, 2, -3))
    path = tmp_path / "transform.tfm"
    path.write_text(transform.text())
    read = sitk.AffineTransform(sitk.ReadTransform(str(path)))
    assert read.GetMatrix() == transform.matrix
    assert read.GetTranslation() == transform.translation
    assert read.GetCenter() == transform.centre


def test_rotation_and_stretches_are_told_apart() -> None:
    angle = np.deg2rad(30.0)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    transform = Affine(tuple((turn @ np.diag([1.2, 1.0, 0.8])).ravel()))
    np.testing.assert_allclose(transform.rotation(), (0, 0, 30), atol=1e-9)
    np.testing.assert_allclose(transform.stretches(), (1.2, 1.0, 0.8), atol=1e-9)


def test_a_flat_matrix_has_no_inverse() -> None:
    with pytest.raises(PreprocessingError, match="inverted"):
        Affine((1, 0, 0, 0, 1, 0, 0, 0, 0)).inverse()


GRID = Geometry((12, 11, 10), (1.0, 1.0, 1.0))


def stripped() -> Volume:
    rng = np.random.default_rng(1)
    mask = np.zeros((10, 11, 12), np.uint8)
    mask[3:7, 3:8, 3:9] = 1
    return Volume((rng.uniform(50, 60, mask.shape) * mask).astype(np.float32), GRID, mask)


@pytest.mark.parametrize("interpolation", ["linear", "bspline"])
def test_the_rim_of_a_stripped_brain_keeps_its_intensities(interpolation: Any) -> None:
    moved = carry_image(stripped(), Affine(translation=(0.4, -0.3, 0.2)), GRID, interpolation)
    assert moved.mask is not None
    inside = moved.array[moved.mask == 1]
    assert inside.min() >= 50
    assert inside.max() <= 60
    assert np.all(moved.array[moved.mask == 0] == 0)


def test_what_lies_outside_of_the_field_of_view_is_zero() -> None:
    image = Volume(np.full((10, 11, 12), 7, np.int16), GRID)
    moved = carry_image(image, Affine(translation=(6.0, 0.0, 0.0)), GRID)
    assert np.all(moved.array[:, :, :6] == 7)
    assert np.all(moved.array[:, :, 6:] == 0)
    labels = carry_labels(image, Affine(translation=(6.0, 0.0, 0.0)), GRID)
    assert labels.array.dtype == np.int16
    assert set(np.unique(labels.array)) == {0, 7}


def test_the_2_mm_grid_is_that_of_nilearns_2_mm_template() -> None:
    config = RegistrationConfig(resolution=2)
    geometry = output_geometry(config, load_template(config))
    assert geometry.size == (99, 117, 95)
    assert geometry.origin == (98.0, 134.0, -72.0)


def test_the_brats_grid_holds_the_brain_in_its_middle() -> None:
    config = RegistrationConfig(grid="brats", to_template="rigid")
    template = load_template(config)
    geometry = output_geometry(config, template)
    assert geometry.size == (240, 240, 155)
    assert template.mask is not None
    carried = carry_labels(Volume(template.mask, template.geometry), Affine(), geometry)
    assert carried.array.sum() == pytest.approx(template.mask.sum(), rel=1e-3)
    box = np.argwhere(carried.array)
    middle = (box.min(axis=0) + box.max(axis=0)) / 2
    np.testing.assert_allclose(middle, (77, 119.5, 119.5), atol=1)
