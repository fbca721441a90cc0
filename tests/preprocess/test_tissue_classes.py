from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tissues import T2, tissue_volume

from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.tissue_classes import class_centres, grouped, tissue_classes

FIGURES = json.loads(
    (Path(__file__).parent / "figures" / "intensity_normalization.json").read_text()
)["figures"]


def plain_fuzzy_c_means(values: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Bezdek's two equations in turn, over every voxel, from the quantiles on."""
    centres = np.quantile(values, (np.arange(k) + 0.5) / k)
    step = np.inf
    while step > 1e-6:
        nearness = np.maximum(np.abs(values - centres[:, np.newaxis]), 1e-12) ** -2.0
        weights = (nearness / nearness.sum(axis=0)) ** 2
        moved = weights @ values / weights.sum(axis=1)
        step, centres = np.abs(moved - centres).max(), moved
    return np.sort(centres)


def test_centres_are_those_of_scikit_fuzzy() -> None:
    volume, _ = tissue_volume()
    centres = tissue_classes(volume).centres
    expected = np.asarray(FIGURES["fuzzy-c-means"]["centres"])
    np.testing.assert_allclose(centres, expected, rtol=0, atol=1e-5 * np.ptp(expected))


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000), k=st.integers(2, 4), far=st.sampled_from([1.0, 20.0]))
def test_grouping_changes_nothing_that_matters(seed: int, k: int, far: float) -> None:
    """Six thousand different intensities, with or without a far outlier, in 4096 groups."""
    rng = np.random.default_rng(seed)
    tissues = [rng.normal(m, s, 2000) for m, s in ((400, 90), (1100, 120), (1600, 70))]
    values = np.concatenate([*tissues, [2000 * far]])
    expected = plain_fuzzy_c_means(values, k)
    np.testing.assert_allclose(class_centres(values, k), expected, rtol=0, atol=0.01)


def test_groups_hold_every_voxel_once() -> None:
    values = np.random.default_rng(0).lognormal(6, 1, 50_000)
    points, counts = grouped(values)
    assert len(points) < 10_000
    assert counts.sum() == len(values)
    assert (np.diff(points) > 0).all()
    np.testing.assert_allclose(points @ counts, values.sum(), rtol=1e-12)
    np.testing.assert_array_equal(grouped(np.array([3.0, 1.0, 3.0]))[1], [1, 2])


def test_classes_are_the_tissues() -> None:
    for tissues, order in ((None, ("csf", "gm", "wm")), (T2, ("wm", "gm", "csf"))):
        volume, names = tissue_volume(tissues)
        classes = tissue_classes(volume)
        assert (np.diff(classes.centres) > 0).all()
        hard = classes.hard()
        for number, name in enumerate(order, start=1):
            assert np.mean(hard[names == name] == number) > 0.9


def test_memberships_sum_to_one_in_the_mask_and_are_zero_outside() -> None:
    volume, _ = tissue_volume()
    classes = tissue_classes(volume)
    assert volume.mask is not None
    assert classes.memberships.dtype == np.float32
    np.testing.assert_allclose(classes.memberships.sum(axis=0)[volume.mask > 0], 1, atol=1e-6)
    assert not classes.memberships[:, volume.mask == 0].any()
    np.testing.assert_array_equal(classes.hard() == 0, volume.mask == 0)


def test_a_shared_intensity_does_not_merge_classes() -> None:
    """Quantiles coincide where half of the voxels are alike."""
    values = np.array([0.0] * 60 + [5.0] * 20 + [9.0] * 20)
    np.testing.assert_allclose(class_centres(values, 3), [0, 5, 9], atol=0.01)


def test_refusals() -> None:
    volume, _ = tissue_volume()
    with pytest.raises(PreprocessingError, match="mask of the brain"):
        tissue_classes(replace(volume, mask=None))
    with pytest.raises(PreprocessingError, match="at least 3 different"):
        tissue_classes(volume.with_array(np.ones_like(volume.array)))
    with pytest.raises(PreprocessingError, match="at least 3 different"):
        tissue_classes(replace(volume, mask=np.zeros(volume.array.shape, np.uint8)))
    broken = volume.array.copy()
    broken[14, 14, 14] = np.nan
    with pytest.raises(PreprocessingError, match="not finite"):
        tissue_classes(volume.with_array(broken))
