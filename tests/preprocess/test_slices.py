"""Slices lie along the patient whatever the storage order, and sampling is repeatable."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import ConfigError, GeometryError
from harmonize_kit.preprocess.orientation import AxisOrder
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.slice_sampling import (
    entropies,
    mask_shares,
    sample_slices,
    slice_weights,
)
from harmonize_kit.preprocess.slices import axial_stack

# Every order and direction a grid may be stored in, each leaning a little.
_LEANING = np.array([[1, 0.05, -0.1], [-0.05, 1, 0.08], [0.1, -0.08, 1]])
LEAN = _LEANING / np.linalg.norm(_LEANING, axis=0)
ORDERS = st.tuples(
    st.sampled_from(list(permutations(range(3)))),
    st.sampled_from(list(product([1.0, -1.0], repeat=3))),
)


def stored(order: Any, lean: bool = True) -> Volume:
    """A volume whose intensity is 100 x + 10 y + z of the patient, in LPS mm."""
    axes, signs = order
    direction = (LEAN if lean else np.eye(3))[:, axes] * np.array(signs)
    size, spacing = (6, 4, 5), (1.5, 1.0, 2.0)
    index = np.indices(size[::-1])[::-1].reshape(3, -1)
    places = direction * np.array(spacing) @ index + np.array([[7.0], [-3.0], [2.0]])
    values = (np.array([100.0, 10.0, 1.0]) @ places).reshape(size[::-1])
    return Volume(values, Geometry(size, spacing, (7.0, -3.0, 2.0), tuple(direction.ravel())))


def places_of(geometry: Geometry) -> NDArray[np.float64]:
    index = np.indices(geometry.size[::-1])[::-1].reshape(3, -1).astype(np.float64)
    matrix = np.array(geometry.direction).reshape(3, 3) * np.array(geometry.spacing)
    return (matrix @ index + np.array(geometry.origin)[:, None]).reshape(3, *geometry.size[::-1])


@settings(max_examples=48)
@given(ORDERS)
def test_every_voxel_stays_where_it_is_in_the_patient(order: Any) -> None:
    volume = stored(order)
    found = AxisOrder.of(volume.geometry)
    turned, geometry = found.to_patient(volume.array), found.geometry(volume.geometry)
    assert turned.shape == geometry.size[::-1]
    assert np.shares_memory(turned, volume.array)
    expected = np.tensordot([100.0, 10.0, 1.0], places_of(geometry), axes=1)
    np.testing.assert_allclose(turned, expected, atol=1e-9)
    cosines = np.array(geometry.direction).reshape(3, 3)
    assert (np.diag(cosines) > 0.9).all()
    np.testing.assert_array_equal(found.to_grid(turned), volume.array)


@given(ORDERS)
@settings(max_examples=10)
def test_slices_run_to_the_head_rows_to_the_back_columns_to_the_left(order: Any) -> None:
    volume = stored(order, lean=False)
    stack = axial_stack(Scans({"a": volume, "b": volume.with_array(-volume.array)}))
    whole = stack.channels()
    spacing = stack.geometry.spacing
    assert whole.shape == (len(stack), 2, *stack.images["a"].shape[1:])
    np.testing.assert_array_equal(whole[:, 1], -whole[:, 0])
    for axis, step in ((0, spacing[2]), (2, 10 * spacing[1]), (3, 100 * spacing[0])):
        differences = np.diff(whole, axis=axis)
        np.testing.assert_allclose(np.take(differences, 0, axis=1), step)
    np.testing.assert_array_equal(stack[2], whole[2])


def test_neighbours_are_true_ones_and_the_ends_repeat() -> None:
    volume = stored(((2, 0, 1), (-1.0, 1.0, -1.0)))
    stack = axial_stack(Scans({"a": volume, "b": volume.with_array(volume.array + 1e4)}))
    image, last = stack.images["a"], len(stack) - 1
    for place in range(len(stack)):
        got = stack.with_neighbours(place, 2)
        wanted = [image[min(max(place + k, 0), last)] for k in (-2, -1, 0, 1, 2)]
        np.testing.assert_array_equal(got[:5], wanted)
        np.testing.assert_array_equal(got[5:], np.array(wanted) + 1e4)
    np.testing.assert_array_equal(stack.with_neighbours(1, 0), stack[1])
    with pytest.raises(ConfigError, match="0 or more"):
        stack.with_neighbours(0, -1)


def test_images_on_different_grids_are_refused() -> None:
    one, other = stored(((0, 1, 2), (1.0,) * 3)), stored(((0, 1, 2), (-1.0,) * 3))
    with pytest.raises(GeometryError, match="image 'b' differs from image 'a'"):
        axial_stack(Scans({"a": one, "b": other}))
    with pytest.raises(GeometryError, match="label image"):
        axial_stack(Scans({"a": one}, labels=other))
    with pytest.raises(ConfigError, match="at least one image"):
        axial_stack(Scans({}))


def sampled() -> Scans:
    """Twelve slices: no mask in the first two, then a mask that widens; noise in one half."""
    rng = np.random.default_rng(0)
    grid = Geometry((20, 10, 12))
    mask = np.zeros((12, 10, 20), np.uint8)
    for z in range(2, 12):
        mask[z, :, : 2 * z - 3] = 1
    array = np.where(np.arange(12)[:, None, None] % 2, rng.normal(50, 9, mask.shape), 50.0)
    return Scans({"a": Volume(array * mask, grid, mask)})


def test_shares_and_entropies_tell_slices_apart() -> None:
    stack = axial_stack(sampled())
    shares, bits = mask_shares(stack), entropies(stack)
    np.testing.assert_allclose(shares, [0, 0, *(np.arange(2, 12) * 2 - 3) / 20])
    assert (bits[[0, 1, 2, 4, 6]] == 0).all()
    assert (bits[3::2] > 3).all()
    assert bits.max() < 6
    plain = axial_stack(Scans({"a": Volume(np.ones((2, 3, 4)), Geometry((4, 3, 2)))}))
    assert mask_shares(plain).tolist() == [1, 1]
    assert entropies(plain).tolist() == [0, 0]


def test_weights_follow_what_was_asked_and_leave_empty_slices_out() -> None:
    stack = axial_stack(sampled())
    share = slice_weights(stack)
    assert share.sum() == pytest.approx(1)
    assert share[11] / share[2] == pytest.approx(19)
    same = slice_weights(stack, "same", least=0.3)
    assert set(np.round(same * 7, 9)) == {0.0, 1.0}
    assert (slice_weights(stack, "entropy")[[2, 4, 6]] == 0).all()
    with pytest.raises(ConfigError, match="lower 'least'"):
        slice_weights(stack, least=0.99)
    with pytest.raises(ConfigError, match="'size'"):
        slice_weights(stack, "size")  # type: ignore[arg-type]


def test_draws_repeat_differ_by_seed_and_follow_the_weights() -> None:
    weights = slice_weights(axial_stack(sampled()))
    drawn = [sample_slices(weights, 4, seed) for seed in range(400)]
    np.testing.assert_array_equal(drawn[0], sample_slices(weights, 4, 0))
    assert len({tuple(places) for places in drawn}) > 50
    assert all(len(set(places)) == 4 and sorted(places) == list(places) for places in drawn)
    first = np.bincount([sample_slices(weights, 1, seed)[0] for seed in range(2000)], minlength=12)
    assert (first[:2] == 0).all()
    # Within five standard deviations.
    assert (np.abs(first - 2000 * weights) <= 5 * np.sqrt(2000 * weights * (1 - weights))).all()
    assert len(sample_slices(weights, 99, 0)) == 10
    with pytest.raises(ConfigError, match="0 or more slices"):
        sample_slices(weights, -1, 0)
