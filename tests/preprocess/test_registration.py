"""Registration finds what moved a head, carries what belongs to it, and says what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.registration import register
from harmonize_kit.preprocess.registration_carry import carry_image, carry_labels
from harmonize_kit.preprocess.registration_pair import align
from harmonize_kit.preprocess.registration_quality import doubts
from harmonize_kit.preprocess.registration_view import view_of
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.preprocess.template import load_template
from harmonize_kit.preprocess.transforms import Affine

QUICK = RegistrationConfig(finest_mm=4.0, samples=6_000, iterations=30, template="none")
ONTO_MNI = QUICK.model_copy(update={"template": "mni152", "resolution": 2})


def turn(degrees: tuple[float, ...], scales: tuple[float, ...] = (1, 1, 1)) -> NDArray[Any]:
    a, b, c = np.deg2rad(degrees)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    turned: NDArray[Any] = z @ y @ x @ np.diag(scales)
    return turned


def affine(matrix: NDArray[Any], shift: tuple[float, float, float]) -> Affine:
    return Affine(tuple(matrix.ravel()), shift, (0.0, 18.0, 10.0))


GRID = Geometry((60, 66, 56), (3.5, 3.5, 3.5), (-103.0, -100.0, -90.0))
MOVED = affine(turn((6, -4, 9)), (6.0, -5.0, 4.0))
DEFORMED = affine(turn((8, -6, 12), (1.06, 0.95, 1.03)), (10.0, -7.0, 5.0))


@lru_cache
def head() -> Volume:
    """The template on a coarse grid of its own, stripped, with its mask."""
    return carry_image(load_template(RegistrationConfig()), Affine(), GRID)


def scan(transform: Affine) -> Volume:
    """The head as another sequence sees it after it moved: other contrast, other coil."""
    moved = carry_image(load_template(RegistrationConfig()), transform, GRID)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in moved.array.shape), indexing="ij")
    seen = np.sqrt(np.clip(moved.array, 0, None)) * np.exp(0.2 * x + 0.15 * y * z)
    return replace(moved, array=(900 * seen).astype(np.float32))


@lru_cache
def points() -> NDArray[Any]:
    """Positions all over the brain, in mm."""
    mask = head().mask
    assert mask is not None
    return np.argwhere(mask > 0)[::40, ::-1] * 3.5 + np.asarray(GRID.origin)


def error(found: Affine, true: Affine) -> float:
    """Mean target registration error in mm."""
    return float(np.linalg.norm(found.apply(points()) - true.apply(points()), axis=1).mean())


def transform_of(staged: Staged, name: str) -> Affine:
    text = staged.byproducts[name]
    assert isinstance(text, str)
    rows = {line.split(":")[0]: line.split(":")[1].split() for line in text.splitlines()[2:]}
    numbers = [float(value) for value in rows["Parameters"]]
    x, y, z = map(float, rows["FixedParameters"])
    return Affine(tuple(numbers[:9]), (numbers[9], numbers[10], numbers[11]), (x, y, z))


def lesion(volume: Volume) -> Volume:
    z, y, x = np.mgrid[: volume.array.shape[0], : volume.array.shape[1], : volume.array.shape[2]]
    ball = (z - 30) ** 2 + (y - 36) ** 2 + (x - 24) ** 2 <= 36
    return Volume(np.where(ball, 4, 0).astype(np.int16), volume.geometry)


@lru_cache
def within() -> tuple[Scans, Staged]:
    # `scan` reads the template at MOVED(x), so what maps t2's points to t1's is MOVED.
    t1, t2 = head(), scan(MOVED)
    scans = Scans({"t1": t1, "t2": t2}, lesion(t2), "t2")
    return scans, register(scans, QUICK.model_copy(update={"reference": "t1"}))


def test_the_scans_of_a_subject_are_brought_together() -> None:
    _, staged = within()
    found = transform_of(staged, "transform_t2")
    assert error(Affine(), MOVED.inverse()) > 5.0
    # Voxels are 3.5 mm.
    assert error(found, MOVED.inverse()) < 1.5
    np.testing.assert_allclose(found.stretches(), 1.0, atol=1e-9)
    numbers = staged.decided["within"]["t2"]
    assert numbers["information"]["end"] > 2 * numbers["information"]["scanner"]
    assert not staged.notes


def test_the_reference_is_not_touched_and_the_inputs_stay_as_they_were() -> None:
    scans, staged = within()
    assert staged.scans.images["t1"] is scans.images["t1"]
    np.testing.assert_array_equal(scans.images["t2"].array, scan(MOVED).array)
    assert staged.scans.images["t2"].geometry == scans.images["t1"].geometry


def test_labels_move_with_the_image_they_were_drawn_on() -> None:
    scans, staged = within()
    labels, before = staged.scans.labels, scans.labels
    assert labels is not None
    assert before is not None
    assert labels.array.dtype == np.int16
    assert set(np.unique(labels.array)) == {0, 4}
    exact = carry_labels(before, MOVED.inverse(), labels.geometry)
    assert np.mean((labels.array > 0) == (exact.array > 0)) > 0.999
    first, second = staged.decided["labels_ml"]["4"]
    assert second == pytest.approx(first, rel=0.02)


def test_the_background_is_zero_and_the_mask_travels() -> None:
    _, staged = within()
    moved = staged.scans.images["t2"]
    assert moved.mask is not None
    assert np.all(moved.array[moved.mask == 0] == 0)
    assert np.mean(moved.array[moved.mask == 1] > 0) > 0.999


def test_the_same_scans_give_the_same_bits() -> None:
    scans, staged = within()
    again = register(scans, QUICK.model_copy(update={"reference": "t1"}))
    assert again.decided == staged.decided
    assert again.byproducts["transform_t2"] == staged.byproducts["transform_t2"]
    np.testing.assert_array_equal(again.scans.images["t2"].array, staged.scans.images["t2"].array)


def test_scans_that_lie_alike_are_left_alone() -> None:
    scans = Scans({"t1": head(), "t2": scan(Affine())})
    staged = register(scans, QUICK)
    assert staged.scans.images["t2"] is scans.images["t2"]
    assert not staged.decided["within"]["t2"]["used"]


def test_a_mask_cut_before_registration_is_said() -> None:
    t1, t2 = head(), scan(MOVED)
    assert t1.mask is not None
    cut = replace(t2, array=np.where(t1.mask > 0, t2.array, 0).astype(np.float32), mask=t1.mask)
    staged = register(Scans({"t1": t1, "t2": cut}), QUICK)
    assert any("before the skull is stripped" in note for note in staged.notes)


def test_in_native_mode_only_masks_and_labels_move() -> None:
    t1, t2 = head(), scan(MOVED)
    scans = Scans({"t1": t1, "t2": replace(t2, mask=None)}, lesion(t1), "t1")
    config = QUICK.model_copy(update={"mode": "native", "reference": "t1"})
    staged = register(scans, config)
    for name in ("t1", "t2"):
        assert staged.scans.images[name].array is scans.images[name].array
    assert staged.scans.labels is scans.labels
    carried, labels = staged.scans.images["t2"].mask, staged.byproducts["labels_t2"]
    assert carried is not None
    assert t2.mask is not None
    assert np.mean((carried > 0) == (t2.mask > 0)) > 0.99
    assert isinstance(labels, Volume)
    exact = carry_labels(lesion(t1), MOVED, t2.geometry)
    assert np.mean(labels.array == exact.array) > 0.999


@lru_cache
def onto_mni() -> Staged:
    return register(Scans({"": scan(DEFORMED)}), ONTO_MNI)


def test_a_deformed_head_is_found_in_the_template() -> None:
    staged = onto_mni()
    found = transform_of(staged, "transform")
    assert error(Affine(), DEFORMED.inverse()) > 10.0
    assert error(found, DEFORMED.inverse()) < 1.5
    assert staged.decided["template"]["dice"] > 0.97
    assert not staged.notes
    image = staged.scans.images[""]
    assert image.geometry.spacing == (2.0, 2.0, 2.0)
    assert image.array.dtype == np.float32


def test_the_transform_file_is_what_itk_reads(tmp_path: Path) -> None:
    text = onto_mni().byproducts["transform"]
    assert isinstance(text, str)
    path = tmp_path / "transform.tfm"
    path.write_text(text)
    theirs = sitk.ReadTransform(str(path))
    ours = transform_of(onto_mni(), "transform").apply(points()[:20])
    expected = [theirs.TransformPoint(point.tolist()) for point in points()[:20]]
    np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_a_whole_head_is_registered_to_a_stripped_one() -> None:
    whole = replace(scan(MOVED), mask=None)
    noise = np.random.default_rng(0).uniform(1, 20, whole.array.shape)
    whole = whole.with_array((whole.array + noise).astype(np.float32))
    fixed, moving = view_of(head(), "head"), view_of(whole, "whole")
    assert fixed.bare
    assert not moving.bare
    found = align(fixed, moving, "rigid", QUICK).transform
    back = align(moving, fixed, "rigid", QUICK).transform
    assert error(found, MOVED.inverse()) < 3.5
    assert back == found.inverse()


def test_what_a_head_cannot_be_is_said() -> None:
    found = onto_mni().decided["template"]
    assert not doubts("t1", found, ONTO_MNI)
    strange = {**found, "stretch": [1.5, 1.0, 1.0], "rotation_deg": [0.0, 90.0, 0.0], "dice": 0.6}
    strange["refined"] = False
    said = doubts("t1", strange, ONTO_MNI)
    for words, sentence in zip(("stretched", "turned", "rough start", "Dice"), said, strict=True):
        assert words in sentence


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v * 0, "contrast"),
        (lambda v: np.where(v > 0.5, np.nan, v), "NaN"),
    ],
)
def test_images_that_cannot_be_registered_are_refused(
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]], message: str
) -> None:
    bad = Volume(change(head().array), GRID)
    with pytest.raises(PreprocessingError, match=message):
        register(Scans({"t1": head(), "t2": bad}), QUICK)


def test_a_reference_or_labels_that_belong_to_no_image_are_refused() -> None:
    scans = Scans({"t1": head()}, lesion(head()), "flair")
    with pytest.raises(PreprocessingError, match="flair"):
        register(scans, QUICK)
    with pytest.raises(PreprocessingError, match="t3"):
        register(Scans({"t1": head()}), QUICK.model_copy(update={"reference": "t3"}))


@pytest.mark.parametrize(
    "settings",
    [
        {"scale_limits": (1.2, 0.8)},
        {"grid": "brats", "resolution": 2},
        {"template_mask": "mask.nii.gz"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        RegistrationConfig.model_validate(settings)
