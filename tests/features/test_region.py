"""What is proved of a region before it is measured."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import CaseError, MaskError
from harmonize_kit.features.region import labels_of, require_region


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64", "float32", "float64"])
def test_labels_of_any_type_in_order(volume: Volume, dtype: str) -> None:
    assert volume.mask is not None
    mask = volume.mask.astype(dtype)
    mask[17, 17, 17] = 200 if dtype == "uint8" else 30_000
    assert labels_of(replace(volume, mask=mask)) == (1, 2, int(mask[17, 17, 17]))


@pytest.mark.parametrize("wrong", [0.7, -0.2, np.nan, np.inf])
def test_one_voxel_that_is_no_label_is_enough(volume: Volume, wrong: float) -> None:
    assert volume.mask is not None
    mask = volume.mask.astype(np.float32)
    mask[17, 0, 3] = wrong
    with pytest.raises(MaskError) as caught:
        labels_of(replace(volume, mask=mask))
    assert caught.value.code == "MASK_NOT_LABELS"
    assert "threshold" in caught.value.message


def test_large_float_masks_are_looked_at_once() -> None:
    """Half a gigabyte; sorting it would take ten seconds and more memory than it has."""
    mask = np.zeros((512, 512, 512), np.float32)
    mask[200:260, 200:260, 200:260] = 1
    large = Volume(mask, Geometry((512, 512, 512)), mask)
    start = time.perf_counter()
    assert labels_of(large) == (1,)
    assert time.perf_counter() - start < 5


def test_a_missing_label_is_told_with_a_few_of_those_there(volume: Volume) -> None:
    many = np.arange(volume.array.size, dtype=np.int32).reshape(volume.array.shape)
    with pytest.raises(MaskError) as caught:
        require_region(replace(volume, mask=many), 100_000, bin_width=None)
    assert "which has 1, 2, 3" in caught.value.message
    assert len(caught.value.message) < 150


def test_notes_of_the_region(volume: Volume) -> None:
    assert volume.mask is not None

    def notes(mask: np.ndarray, **options: bool) -> str:
        own = replace(volume, mask=mask)
        return "; ".join(require_region(own, 1, bin_width=25, **options))

    assert notes(volume.mask, filtered=True) == ""
    flat = np.zeros_like(volume.mask)
    flat[5:9, 7, 5:9] = 1
    assert "one slice" in notes(flat)
    assert notes(flat, planar=True) == ""
    for border in (0, 17):
        at_border = volume.mask.copy()
        at_border[9, border, 9] = 1
        assert "border" in notes(at_border, filtered=True)
        assert notes(at_border) == ""


def test_the_cap_of_grey_levels_holds_at_the_ends_of_floats(volume: Volume) -> None:
    array = volume.array.astype(np.float64)
    array[9, 9, 9], array[9, 9, 8] = 1.7e308, -1.7e308
    with pytest.raises(CaseError) as caught:
        require_region(volume.with_array(array), 1, bin_width=25)
    assert caught.value.code == "BINS"
