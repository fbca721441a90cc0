"""The brain mask: found or given, carried to every image, and doubted where it looks wrong."""

from __future__ import annotations

import builtins
from dataclasses import replace
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from harmonize_kit.config import skull_strip as config
from harmonize_kit.config.skull_strip import SkullStripConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import DependencyError, PreprocessingError
from harmonize_kit.preprocess import skull_strip_deepbet
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.skull_strip import strip_skull
from harmonize_kit.storage.images import read_image

GRID = Geometry((40, 44, 36), (4.0, 4.0, 4.0), (-78.0, -86.0, -70.0))
GIVEN = SkullStripConfig(method="mask")
needs_deepbet = pytest.mark.skipif(
    find_spec("torch") is None or find_spec("deepbet") is None,
    reason="torch and deepbet are not installed",
)


def ball(grid: Geometry, radius: float = 66.0) -> NDArray[np.uint8]:
    """A brain of 1.2 litres round the origin."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in grid.size[::-1]), indexing="ij")
    steps = np.stack([x, y, z], axis=-1) * np.array(grid.spacing)
    where = steps @ np.array(grid.direction).reshape(3, 3).T + np.array(grid.origin)
    return (np.linalg.norm(where, axis=-1) <= radius).astype(np.uint8)


def head(grid: Geometry = GRID, mask: NDArray[Any] | None = None, dtype: str = "int16") -> Volume:
    array = np.random.default_rng(0).integers(-5, 100, grid.size[::-1]).astype(dtype)
    return Volume(array, grid, mask)


def test_all_images_of_one_grid_take_the_given_mask() -> None:
    mask = ball(GRID)
    scans = Scans({"t1": head(mask=mask * 3), "flair": head(dtype="float32")})
    before = {name: volume.array.copy() for name, volume in scans.images.items()}
    staged = strip_skull(scans, GIVEN)
    for name, volume in staged.scans.images.items():
        np.testing.assert_array_equal(volume.array, np.where(mask, before[name], 0))
        np.testing.assert_array_equal(volume.mask, mask)
        assert volume.array.dtype == before[name].dtype
        assert volume.geometry == GRID
        np.testing.assert_array_equal(scans.images[name].array, before[name])
    assert staged.notes == ()
    assert staged.decided["reference"] == "t1"
    assert staged.decided["method"] == "mask"
    assert staged.decided["brain_ml"] == pytest.approx(mask.sum() * 0.064)


def test_another_grid_takes_the_mask_by_position() -> None:
    cos, sin = np.cos(0.4), np.sin(0.4)
    turned = Geometry(
        (60, 60, 60), (3.0, 3.0, 3.0), (-53.8, -117.7, -88.5), (cos, -sin, 0, sin, cos, 0, 0, 0, 1)
    )
    scans = Scans({"t1": head(mask=ball(GRID)), "t2": head(turned)})
    staged = strip_skull(scans, GIVEN)
    moved = np.asarray(staged.scans.images["t2"].mask)
    truth = ball(turned)
    assert 2 * (moved & truth).sum() / (moved.sum() + truth.sum()) > 0.97
    assert any("by position" in note for note in staged.notes)
    cut = replace(turned, size=(30, 60, 60))
    staged = strip_skull(Scans({"t1": head(mask=ball(GRID)), "t2": head(cut)}), GIVEN)
    assert any("t2 holds" in note and "of the brain of t1" in note for note in staged.notes)
    away = replace(turned, origin=(900.0, 0.0, 0.0))
    with pytest.raises(PreprocessingError, match="outside of t2"):
        strip_skull(Scans({"t1": head(mask=ball(GRID)), "t2": head(away)}), GIVEN)


def test_the_reference_is_the_t1_weighted_image_or_the_one_named() -> None:
    def named(*modalities: str, reference: str | None = None) -> str:
        images = {name: head(mask=ball(GRID)) for name in modalities}
        config = SkullStripConfig(method="mask", reference=reference)
        return strip_skull(Scans(images), config).decided["reference"]

    assert named("flair", "T1w", "t1ce") == "T1w"
    assert named("") == ""
    assert named("t2") == "t2"
    assert named("t1", "t2", reference="t2") == "t2"
    with pytest.raises(PreprocessingError, match="set 'reference'"):
        named("flair", "t2")
    with pytest.raises(PreprocessingError, match="modality 't9'"):
        named("t1", reference="t9")


def doubts(mask: NDArray[np.uint8]) -> str:
    return " ".join(strip_skull(Scans({"t1": head(mask=mask)}), GIVEN).notes)


def test_a_mask_that_is_hardly_a_brain_is_noted() -> None:
    assert "ml, expected 800 to 2100" in doubts(ball(GRID, 40.0))
    assert "ml, expected" in doubts(np.ones(GRID.size[::-1], dtype=np.uint8))
    split = ball(GRID)
    split[:, 20:23] = 0
    assert "in 2 pieces" in doubts(split)
    low = np.roll(ball(GRID), -6, axis=0)
    assert "reaches the edge" in doubts(low)
    assert doubts(ball(GRID)) == ""


def test_labels_outside_of_the_brain_are_noted_and_kept() -> None:
    labels = np.zeros(GRID.size[::-1], dtype=np.uint8)
    labels[18, 22, 18:22] = 1
    labels[0, 0, :2] = 2
    scans = Scans({"t1": head(mask=ball(GRID))}, Volume(labels, GRID), "t1")
    staged = strip_skull(scans, GIVEN)
    assert staged.scans.labels is scans.labels
    assert any("33.3%" in note and "(2)" in note for note in staged.notes)


def test_a_method_of_the_users_own() -> None:
    staged = strip_skull(Scans({"": head()}), SkullStripConfig(), lambda volume: ball(GRID) > 0)
    assert "lambda" in staged.decided["method"]
    np.testing.assert_array_equal(staged.scans.images[""].mask, ball(GRID))
    with pytest.raises(PreprocessingError, match="shape"):
        strip_skull(Scans({"": head()}), GIVEN, lambda volume: volume.array[1:])
    with pytest.raises(PreprocessingError, match="empty"):
        strip_skull(Scans({"": head()}), GIVEN, lambda volume: np.zeros(volume.array.shape))


def whole(volume: Volume) -> NDArray[np.bool_]:
    return np.ones(volume.array.shape, dtype=np.bool_)


def test_a_method_that_a_package_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = EntryPoint("theirs", f"{__name__}:whole", "harmonize_kit.skull_strip")
    monkeypatch.setattr(EntryPoint, "load", lambda self: whole)
    with monkeypatch.context() as installed:
        installed.setattr(config, "entry_points", lambda group: [offered])
        theirs = SkullStripConfig(method="theirs")
        staged = strip_skull(Scans({"": head()}), theirs)
        assert staged.decided["method"] == "whole"
        with pytest.raises(ValidationError, match="Did you mean 'theirs'"):
            SkullStripConfig(method="their")
    with pytest.raises(DependencyError, match="'theirs' is installed here"):
        strip_skull(Scans({"": head()}), theirs)


def test_an_unknown_method_and_a_missing_mask_are_refused() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'deepbet'"):
        SkullStripConfig(method="depbet")
    with pytest.raises(PreprocessingError, match="got none"):
        strip_skull(Scans({"": head()}), GIVEN)


@pytest.mark.parametrize("name", ["torch", "deepbet"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    found = builtins.__import__

    def without(wanted: str, *others: Any, **more: Any) -> Any:
        if wanted.split(".")[0] in (name, "deepbet"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return found(wanted, *others, **more)

    skull_strip_deepbet._network.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DependencyError, match=f"{name} is not installed.*pip install"):
        strip_skull(Scans({"": head()}), SkullStripConfig())


class Network:
    """Stands for deepbet's: calls brain what is bright, and keeps what it was given."""

    def run_model(self, x: NDArray[Any]) -> NDArray[Any]:
        self.given = x
        return x

    def postprocess(self, mask: NDArray[Any], n_dilate: int = 0) -> NDArray[Any]:
        return mask


@needs_deepbet
@pytest.mark.parametrize(
    "direction",
    [
        (1, 0, 0, 0, 1, 0, 0, 0, 1),
        (0, 0, -1, 1, 0, 0, 0, -1, 0),
        (0.1, 0, np.sqrt(0.99), np.sqrt(0.99), 0, -0.1, 0, 1, 0),
    ],
)
def test_the_network_sees_right_front_and_head_and_the_mask_comes_back(
    monkeypatch: pytest.MonkeyPatch, direction: tuple[float, ...]
) -> None:
    network = Network()
    monkeypatch.setattr(skull_strip_deepbet, "_network", lambda: network)
    grid = Geometry((5, 6, 7), (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), tuple(map(float, direction)))
    z, y, x = np.meshgrid(*(np.arange(n) for n in grid.size[::-1]), indexing="ij")
    steps = np.stack([x, y, z], axis=-1) * np.array(grid.spacing)
    where = steps @ np.array(grid.direction).reshape(3, 3).T
    for axis, towards in enumerate((-1, -1, 1)):
        coordinate = where[..., axis] * towards
        brain, _ = skull_strip_deepbet.deepbet_brain(Volume(coordinate, grid), threshold=3.0)
        assert np.all(np.diff(network.given, axis=axis) > 0)
        np.testing.assert_array_equal(brain, coordinate.astype(np.float32) > 3.0)


@needs_deepbet
def test_deepbet_finds_the_brain_of_a_real_head(real_data: Path) -> None:
    import torch

    folder = real_data / "images" / "ixi_hh_t1_2mm"
    volume = read_image(folder / "IXI039-HH-1261_T1.nii.gz")
    truth = read_image(folder / "IXI039-HH-1261_T1_DLMUSE.nii.gz").array > 0
    threads = torch.get_num_threads()
    staged = strip_skull(Scans({"t1": volume}), SkullStripConfig())
    assert torch.get_num_threads() == threads
    found = staged.scans.images["t1"]
    assert found.geometry == volume.geometry
    brain = np.asarray(found.mask) != 0
    assert 2 * (brain & truth).sum() / (brain.sum() + truth.sum()) > 0.975
    np.testing.assert_array_equal(found.array, np.where(brain, volume.array, 0))
    assert staged.notes == ()
    assert staged.decided["deepbet"]


@needs_deepbet
def test_deepbet_on_an_image_without_a_head_is_refused() -> None:
    flat = Volume(np.full((20, 20, 20), 7, dtype=np.int16), Geometry((20, 20, 20)))
    with pytest.raises(PreprocessingError, match="no brain"):
        strip_skull(Scans({"": flat}), SkullStripConfig())


def test_low_must_lie_below_high() -> None:
    with pytest.raises(ValueError, match="low below high"):
        SkullStripConfig(plausible_ml=(900.0, 800.0))
