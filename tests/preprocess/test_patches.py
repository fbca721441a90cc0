"""Patches cover every voxel, and give the volume back that they came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.errors import ConfigError
from harmonize_kit.preprocess.patches import (
    PatchGrid,
    patch_grid,
    patches,
    reassemble,
    window_weights,
)

SIDES = st.tuples(*[st.integers(1, 11)] * 3)
WINDOWS: tuple[Any, ...] = ("gaussian", "hann", "same")


@settings(max_examples=150)
@given(SIDES, SIDES, st.floats(0, 0.99), st.sampled_from(WINDOWS), st.booleans())
def test_untouched_patches_give_the_volume_back(
    shape: Any, size: Any, overlap: float, window: Any, channels: bool
) -> None:
    leading = (2,) if channels else ()
    array = np.random.default_rng(1).normal(0, 1e3, (*leading, *shape))
    grid = patch_grid(shape, size, overlap)
    made = list(patches(array, grid))
    assert len(made) == len(grid)
    assert {patch.shape for patch in made} == {(*leading, *size)}
    got = reassemble(iter(made), grid, window)
    assert got.shape == array.shape
    np.testing.assert_allclose(got, array, rtol=1e-9, atol=1e-9)


@settings(max_examples=100)
@given(SIDES, SIDES, st.floats(0, 0.99))
def test_every_voxel_is_covered_and_no_patch_leaves_the_volume(
    shape: Any, size: Any, overlap: float
) -> None:
    grid = patch_grid(shape, size, overlap)
    padded = [max(pair) for pair in zip(shape, size, strict=True)]
    covered = np.zeros(padded, int)
    for number in range(len(grid)):
        covered[grid.place(number)] += 1
    assert covered.min() >= 1
    assert covered.sum() == len(grid) * np.prod(size)
    assert len(set(grid.starts)) == len(grid)
    for axis in range(3):
        starts = np.unique([start[axis] for start in grid.starts])
        assert (np.diff(starts) <= max(1, int(size[axis] * (1 - overlap)))).all()


def test_patches_are_views_unless_they_must_be_padded() -> None:
    array = np.arange(5 * 6 * 7.0).reshape(5, 6, 7)
    assert all(
        np.shares_memory(patch, array) for patch in patches(array, patch_grid((5, 6, 7), (4, 4, 4)))
    )
    (only,) = patches(array, patch_grid((5, 6, 7), (8, 6, 7)), fill=-1.0)
    assert (only[0] == -1).all()
    assert (only[[6, 7]] == -1).all()
    np.testing.assert_array_equal(only[1:6], array)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", [(1, 1, 1), (5, 4, 2), (64, 64, 64)])
def test_windows_are_positive_symmetric_and_heaviest_in_the_middle(window: Any, size: Any) -> None:
    weights = window_weights(size, window)
    assert weights.min() > 0
    assert weights.max() <= 1
    np.testing.assert_allclose(weights, weights[::-1, ::-1, ::-1])
    assert weights[tuple(n // 2 for n in size)] == weights.max()


def test_the_middle_counts_more_than_the_rim() -> None:
    grid = patch_grid((6, 1, 1), (4, 1, 1))
    assert grid.starts == ((0, 0, 0), (2, 0, 0))
    ones = [np.full(grid.size, value) for value in (0.0, 1.0)]
    plain = reassemble(ones, grid, "same").ravel()
    np.testing.assert_allclose(plain, [0, 0, 0.5, 0.5, 1, 1])
    for window in ("gaussian", "hann"):
        blended = reassemble(ones, grid, window).ravel()
        assert blended[2] < 0.5 < blended[3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((4, 4, 4), (0, 1, 1)), "at least one voxel"),
        (((4, 4, 4), (2, 2, 2), 1.0), "below 1"),
        (((4, 4, 4), (2, 2, 2), -0.1), "0 or more"),
    ],
)
def test_grids_that_make_no_sense_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        patch_grid(*arguments)


def test_too_few_too_many_and_odd_patches_are_refused() -> None:
    grid = patch_grid((4, 4, 4), (2, 2, 2), 0)
    made = [np.zeros((2, 2, 2))] * len(grid)
    for wrong in ([], made[1:], [*made, made[0]], [np.zeros((3, 2, 2)), *made[1:]]):
        with pytest.raises(ConfigError, match="expected 8 patches"):
            reassemble(wrong, grid)
    with pytest.raises(ConfigError, match="expected an array"):
        list(patches(np.zeros((4, 4, 5)), grid))
    with pytest.raises(ConfigError, match="gaussian, hann or same"):
        reassemble(made, grid, "cosine")  # type: ignore[arg-type]
    assert isinstance(grid, PatchGrid)
