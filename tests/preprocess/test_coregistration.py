"""Scans are brought together by where their grids lie; their voxels stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import make_volume
from scipy.spatial.transform import Rotation

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess import coregistration
from harmonize_kit.preprocess.coregistration import coregister, in_place
from harmonize_kit.preprocess.registration_within import Within
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.transforms import Affine

TURN = Rotation.from_euler("xyz", (5.0, -8.0, 12.0), degrees=True).as_matrix()
MOVED = Affine(tuple(TURN.ravel()), (3.0, -7.0, 11.0), (4.0, 5.0, 6.0))


def points_of(volume: Volume) -> np.ndarray:
    """Places of the eight corners of a grid in mm, shape (8, 3)."""
    geometry = volume.geometry
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in geometry.size])).reshape(3, -1).T
    direction = np.reshape(geometry.direction, (3, 3))
    return (corners * geometry.spacing) @ direction.T + geometry.origin


def test_moving_the_grid_undoes_the_transform_at_every_voxel() -> None:
    volume = make_volume()
    moved = in_place(volume, MOVED)
    np.testing.assert_allclose(MOVED.apply(points_of(moved)), points_of(volume), atol=1e-9)
    assert moved.array is volume.array
    assert moved.mask is volume.mask
    assert moved.geometry.spacing == volume.geometry.spacing
    direction = np.reshape(moved.geometry.direction, (3, 3))
    np.testing.assert_allclose(direction @ direction.T, np.eye(3), atol=1e-12)
    assert in_place(volume, Affine()) is volume


def test_labels_move_with_the_image_they_were_drawn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = make_volume(0), make_volume(1)
    assert one.mask is not None
    labels = Volume(one.mask, one.geometry)
    found = Within({"t1": Affine(), "t2": MOVED}, {"t2": {"used": True}}, ("moved",))
    monkeypatch.setattr(coregistration, "register_within", lambda *given: found)
    scans = Scans({"t1": one, "t2": other}, labels, "t2")
    staged = coregister(scans, RegistrationConfig(reference="t1"))
    assert staged.scans.images["t1"] is one
    assert staged.scans.labels is not None
    assert staged.scans.labels.array is labels.array
    assert staged.scans.labels.geometry == staged.scans.images["t2"].geometry
    assert set(staged.byproducts) == {"coregistration_t2"}
    assert staged.decided == {"reference": "t1", "within": {"t2": {"used": True}}}
    still = coregister(replace(scans, drawn_on="t1"), RegistrationConfig(reference="t1"))
    assert still.scans.labels is labels


def test_without_movement_nothing_moves() -> None:
    scans = Scans({"t1": make_volume(0), "t2": make_volume(1)})
    staged = coregister(scans, RegistrationConfig(within="none"))
    assert staged.scans.images["t2"].geometry == scans.images["t2"].geometry
