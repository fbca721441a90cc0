"""Augmentation moves everything together, keeps the background, and repeats by its seed."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest

from harmonize_kit.config.augmentation import AugmentationConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import DependencyError, GeometryError
from harmonize_kit.preprocess.augmentation import augment, draw_augmentation
from harmonize_kit.preprocess.scans import Scans

ALWAYS = AugmentationConfig(probability=1.0)
STILL = {"scale": 0.0, "rotation": 0.0, "shift": 0.0}
PLAIN = {"bias_field": 0.0, "log_gamma": 0.0, "blur": 0.0, "noise": 0.0}


@pytest.fixture(scope="module")
def torchio() -> Any:
    return pytest.importorskip("torchio", reason="no torchio: install .[augment]")


def scans(background: float = 0.0) -> Scans:
    """Two z-scored modalities in a ball, on a grid whose x runs to the right (RAS)."""
    grid = Geometry((24, 22, 20), (1.0, 1.2, 1.5), (12, 13, -15), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    z, y, x = np.indices(grid.size[::-1])
    mask = ((z - 10) ** 2 + (y - 11) ** 2 + (x - 12) ** 2 < 64).astype(np.uint8)
    rng = np.random.default_rng(0)
    images = {
        name: Volume(np.where(mask, rng.normal(0, 1, mask.shape), background), grid, mask)
        for name in ("t1", "flair")
    }
    labels = Volume(np.where((x > 14) & (mask > 0), 4, 0).astype(np.int16), grid)
    return Scans(images, labels, "t1")


@pytest.mark.parametrize("background", [0.0, -7.5])
def test_background_is_kept_labels_stay_labels_and_inputs_untouched(
    torchio: Any, background: float
) -> None:
    case = scans(background)
    kept = {name: volume.array.copy() for name, volume in case.images.items()}
    done = augment(case, ALWAYS, 3).scans
    assert done.labels is not None
    assert set(np.unique(done.labels.array)) == {0, 4}
    assert done.labels.array.dtype == np.int16
    for name, volume in done.images.items():
        assert volume.mask is not None
        assert set(np.unique(volume.mask)) == {0, 1}
        assert (volume.array[volume.mask == 0] == background).all()
        assert np.isfinite(volume.array).all()
        assert volume.geometry == case.images[name].geometry
        assert not np.allclose(volume.array, kept[name])
        np.testing.assert_array_equal(case.images[name].array, kept[name])


def test_the_same_seed_gives_the_same_bits_whatever_the_global_generators_say(
    torchio: Any,
) -> None:
    import torch

    done: list[Any] = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)
        np.random.seed(number)  # noqa: NPY002
        done.append(augment(scans(), ALWAYS, seed))
    first, again, other = done
    for name in ("t1", "flair"):
        arrays = [done.scans.images[name].array for done in (first, again, other)]
        np.testing.assert_array_equal(arrays[0], arrays[1])
        assert not np.array_equal(arrays[0], arrays[2])
    assert json.loads(json.dumps(first.decided)) == again.decided


def test_nothing_drawn_is_nothing_changed(torchio: Any) -> None:
    done = augment(scans(), AugmentationConfig(probability=0), 0)
    for name, volume in scans().images.items():
        np.testing.assert_allclose(done.scans.images[name].array, volume.array, atol=1e-5)


def test_a_flip_exchanges_left_and_right_whatever_the_storage_order(torchio: Any) -> None:
    config = AugmentationConfig(probability=0, flip=1.0)
    case = scans()
    done = augment(case, config, 0).scans
    for name, volume in case.images.items():
        np.testing.assert_allclose(
            done.images[name].array, volume.array[:, :, ::-1] * 1.0, atol=1e-5
        )
    assert case.labels is not None
    assert done.labels is not None
    np.testing.assert_array_equal(done.labels.array, case.labels.array[:, :, ::-1])
    sagittal = Geometry((4, 3, 2), direction=(0, 0, 1, 1, 0, 0, 0, 1, 0))
    assert draw_augmentation(config, ["a"], sagittal, 0)["flip"] == 2


def test_images_masks_and_labels_move_together(torchio: Any) -> None:
    """A shift by whole voxels, in mm, moves all of them by the same voxels."""
    case = scans()
    config = AugmentationConfig(**{**STILL, **PLAIN, "shift": 1.0, "probability": 1.0})
    done = augment(case, config, 5)
    shift = np.array(done.decided["affine"]["translation"])
    assert done.scans.labels is not None
    assert case.labels is not None
    for before, after in (
        (case.labels.array, done.scans.labels.array),
        (case.images["t1"].mask, done.scans.images["t1"].mask),
    ):
        assert before is not None
        assert after is not None
        moved = [np.mean(np.nonzero(a), axis=1)[::-1] for a in (before, after)]
        grid = case.images["t1"].geometry
        # torchio shifts in RAS mm; here x and y of the grid run that way already.
        np.testing.assert_allclose((moved[1] - moved[0]) * grid.spacing, shift, atol=0.8)


def test_noise_is_a_share_of_the_spread_inside_the_mask(torchio: Any) -> None:
    case = scans()
    large = case.map_images(lambda _, v: v.with_array((v.array != 0) * (1000 + 50 * v.array)))
    config = AugmentationConfig(**{**STILL, **PLAIN, "noise": 0.5, "probability": 1.0})
    for given in (case, large):
        done = augment(given, config, 11)
        for name, volume in given.images.items():
            inside = volume.mask == 1
            noise = (done.scans.images[name].array - volume.array)[inside]
            std = done.decided["modalities"][name]["noise"]["std"] * volume.array[inside].std()
            assert noise.std() == pytest.approx(std, rel=0.1)


def test_draws_stay_within_what_was_asked() -> None:
    grid = Geometry((4, 4, 4))
    for seed in range(50):
        drawn = draw_augmentation(ALWAYS, ["a"], grid, seed)
        affine, contrast = drawn["affine"], drawn["modalities"]["a"]
        assert np.abs(np.array(affine["scales"]) - 1).max() <= 0.1
        assert np.abs(affine["degrees"]).max() <= 10
        assert 0 <= contrast["blur"] <= 1
        assert abs(np.log(contrast["gamma"])) <= 0.2
        assert len(contrast["bias_field"]) == 20


def test_images_on_two_grids_and_a_missing_torchio_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Volume(np.zeros((2, 2, 2)), Geometry((2, 2, 2)))
    with pytest.raises(GeometryError, match="one grid"):
        augment(Scans({**scans().images, "b": other}), ALWAYS, 0)
    monkeypatch.setitem(sys.modules, "torchio", None)
    with pytest.raises(DependencyError, match=r"harmonize-kit\[augment\]"):
        augment(scans(), ALWAYS, 0)
    assert augment(Scans({}), ALWAYS, 0).decided == {}
