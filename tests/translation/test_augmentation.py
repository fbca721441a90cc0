"""Training images moved and recoloured: together, by the seed, and no more than is asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from small_training import OBJECTIVE, cyclegan, make_store, training_config  # noqa: E402

from harmonize_kit.config.training_augmentation import Augmentation  # noqa: E402
from harmonize_kit.config.translation import TrainingConfig  # noqa: E402
from harmonize_kit.errors import DependencyError  # noqa: E402
from harmonize_kit.translation.augmentation import draw_variation, margin  # noqa: E402
from harmonize_kit.translation.batches import BatchLoader, Pair  # noqa: E402
from harmonize_kit.translation.cyclegan import Batch  # noqa: E402
from harmonize_kit.translation.matching import match  # noqa: E402
from harmonize_kit.translation.store import SlicedCase, open_store, write_store  # noqa: E402
from harmonize_kit.translation.trainer import Trainer  # noqa: E402

SHAPE = (20, 40, 36)
GEOMETRY: dict[str, Any] = {"probability": 1, "rotation": 20, "scale": 0.2, "shift": 0.1}
BENT: dict[str, Any] = {**GEOMETRY, "elastic": 0.05}
COLOURS: dict[str, Any] = {
    "probability": 1, "rotation": 0, "scale": 0, "shift": 0, "bias_field": 0.3, "log_gamma": 0.3,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)


def head(number: int) -> SlicedCase:
    """An ellipsoid: its place along y, along x, a constant, and what it has of a lesion."""
    grids = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in SHAPE)]
    z, y, x = (np.square(grid) for grid in grids)
    mask = z + y + x < 0.9
    lesion = np.zeros_like(mask)
    lesion[6:14, 14:22, 10:18] = True
    lesion &= mask
    filled = np.nonzero(mask)
    channels: list[Any] = []
    for axis in (1, 2):
        low, high = filled[axis].min(), filled[axis].max() + 1
        line = (2 * np.arange(SHAPE[axis]) + 1 - low - high) / (high - low)
        channels.append(np.broadcast_to(line.reshape([-1 if n == axis else 1 for n in range(3)]),
                                        SHAPE))  # fmt: skip
    channels += [np.full(SHAPE, 1.5), lesion]
    return SlicedCase(f"{number}", "AB"[number % 2], {}, np.stack(channels, axis=1), mask, lesion)


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("augmentation") / "store"
    write_store(folder, [head(n) for n in range(4)], SHAPE[1:])
    return folder


def batches(
    store_folder: Path, dimensions: int = 2, *, step: int = 3, rank: int = 0, world: int = 1,
    neighbours: int = 0, **training: Any,
) -> Pair:  # fmt: skip
    told: dict[str, Any] = {"batch": 4, "crop": 16, "flip": False, **training}
    config = TrainingConfig.model_validate(told)
    matching = match(open_store(store_folder), "B", 0.5, 0)
    with BatchLoader(
        matching, config, neighbours, torch.device("cpu"), rank, world, places=True,
        dimensions=dimensions,
    ) as loader:  # fmt: skip
        return loader.batch("A", step, 0)


def tensors(batch: Batch) -> list[Any]:
    assert batch.lesion is not None
    assert batch.places is not None
    return [batch.images, batch.mask, batch.lesion, batch.places]


def same(one: Pair, other: Pair) -> bool:
    return all(
        torch.equal(a, b)
        for x, y in zip(one, other, strict=True)
        for a, b in zip(tensors(x), tensors(y), strict=True)
    )


@pytest.mark.parametrize("dimensions", [2, 3])
def test_nothing_asked_for_gives_the_batch_as_it_is(store_folder: Path, dimensions: int) -> None:
    plain = batches(store_folder, dimensions)
    for nothing in ({**BENT, "probability": 0}, {"rotation": 0, "scale": 0, "shift": 0}):
        assert same(plain, batches(store_folder, dimensions, augmentation=nothing))
    still = {**GEOMETRY, "rotation": 0, "scale": 0, "shift": 1e-9}
    for a, b in zip(plain, batches(store_folder, dimensions, augmentation=still), strict=True):
        for x, y in zip(tensors(a), tensors(b), strict=True):
            torch.testing.assert_close(x, y, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("dimensions", "crop"), [(2, None), (2, 16), (3, 16)])
@pytest.mark.parametrize("chosen", [GEOMETRY, BENT])
def test_images_masks_lesions_and_places_move_together(
    store_folder: Path, dimensions: int, crop: int | None, chosen: dict[str, Any]
) -> None:
    if dimensions == 3:
        pytest.importorskip("torchio", reason="torchio is not installed (extra: augment)")
    shown: dict[str, Any] = {"crop": crop, "batch": 4 if dimensions == 2 else 2}
    plain = batches(store_folder, dimensions, **shown)
    moved = batches(store_folder, dimensions, **shown, augmentation=chosen)
    for before, batch in zip(plain, moved, strict=True):
        images, mask, lesion, places = tensors(batch)
        assert images.shape == before.images.shape
        assert (mask != before.mask).any()
        for image, inside, marked, told in zip(
            images, mask[:, 0], lesion[:, 0], places, strict=True
        ):
            # Outside of the head there is nothing, exactly; at its edge nothing fades.
            assert not image[:, ~inside].any()
            torch.testing.assert_close(image[2, inside], torch.full_like(image[2, inside], 1.5))
            # Each voxel brought its place along, and knows it; edges look half a voxel inwards.
            deep = torch.nn.functional.avg_pool2d(inside.float()[None], 3, 1, 1)[0] > 0.99
            if dimensions == 3:
                deep = torch.nn.functional.avg_pool3d(inside.float()[None], 3, 1, 1)[0] > 0.99
            torch.testing.assert_close(image[:2, deep], told[1:, deep], atol=2e-3, rtol=0)
            # A lesion is where it shows, and the head, all of it, where its places are.
            assert ((image[3, deep] > 0.5) != marked[deep]).float().mean() < 0.02
            radius = told.square().sum(0)
            assert inside[radius < 0.8].all()
            assert not inside[radius > 1.2].any()
            assert not (marked & ~inside).any()
    assert moved[0].lesion is not None
    assert moved[0].lesion.any()


def test_a_turn_turns_about_the_middle(store_folder: Path) -> None:
    before, _ = batches(store_folder, crop=None)
    turned, _ = batches(store_folder, crop=None, augmentation={**GEOMETRY, "scale": 0, "shift": 0})
    assert before.places is not None
    assert turned.places is not None
    # Half of the head's height and width in voxels.
    store = open_store(store_folder)
    z0, z1, y0, y1, x0, x1 = store.cases[0].box
    del z0, z1
    half = torch.tensor([(y1 - y0) / 2, (x1 - x0) / 2]).reshape(1, 2, 1, 1)
    mean = before.places[:, 1:].mean((2, 3), keepdim=True)
    offsets = [
        (batch.places[:, 1:] - mean) * half
        for batch in (before, turned)
        if batch.places is not None
    ]
    # Distances to the middle stay, and directions turn by one angle an image.
    lengths = [offset.square().sum(1) for offset in offsets]
    torch.testing.assert_close(*lengths, atol=0.05, rtol=1e-3)
    cross = offsets[0][:, 0] * offsets[1][:, 1] - offsets[0][:, 1] * offsets[1][:, 0]
    sine = (cross / lengths[0]).flatten(1)
    assert (sine.std(1) < 1e-3).all()
    degrees = torch.rad2deg(sine.mean(1).asin())
    assert (degrees.abs() < 20.01).all()
    assert degrees.abs().max() > 3


@pytest.mark.parametrize("dimensions", [2, 3])
def test_chance_is_of_the_seed_the_step_and_the_part(store_folder: Path, dimensions: int) -> None:
    chosen: dict[str, Any] = {
        "augmentation": {
            **(BENT if dimensions == 2 else GEOMETRY),
            **COLOURS,
            "rotation": 10,
            "probability": 0.7,
        }
    }
    chosen["batch"] = 2
    told = batches(store_folder, dimensions, **chosen)
    assert same(told, batches(store_folder, dimensions, **chosen))
    assert not same(told, batches(store_folder, dimensions, **chosen, step=4))
    # Torch's own chance has no part in it, and none is taken from it.
    state = torch.get_rng_state()
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert same(told, batches(store_folder, dimensions, **chosen))
    assert torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(state)
    # Two processes see the two halves of what one sees.
    chosen["batch"] = 1
    halves = [batches(store_folder, dimensions, **chosen, rank=n, world=2) for n in (0, 1)]
    for whole, *parts in zip(told, *halves, strict=True):
        for one, *two in zip(*map(tensors, (whole, *parts)), strict=True):
            torch.testing.assert_close(one, torch.cat(two), atol=1e-6, rtol=0)


def test_some_images_are_left_bit_by_bit_as_they_are(store_folder: Path) -> None:
    plain = batches(store_folder, batch=16)
    varied = batches(store_folder, batch=16, augmentation={**BENT, "probability": 0.5})
    for before, after in zip(plain, varied, strict=True):
        kept = [
            all(
                torch.equal(a[n], b[n])
                for a, b in zip(tensors(before), tensors(after), strict=True)
            )
            for n in range(16)
        ]
        assert 0 < sum(kept) < 16


@pytest.mark.parametrize("same_place", [True, False])
def test_pairs_of_one_place_move_alike(store_folder: Path, same_place: bool) -> None:
    (theirs, ours) = batches(
        store_folder, crop=None, augmentation=BENT, same_place=same_place
    )  # fmt: skip
    assert theirs.places is not None
    assert ours.places is not None
    # All heads have one shape here, so that places tell how they lie.
    assert torch.equal(theirs.places[:, 1:], ours.places[:, 1:]) == same_place


@pytest.mark.parametrize(("dimensions", "neighbours"), [(2, 0), (2, 1), (3, 0)])
def test_intensities_change_only_when_asked_and_leave_the_background(
    store_folder: Path, dimensions: int, neighbours: int
) -> None:
    def made(**chosen: float) -> Batch:
        augmentation = {**COLOURS, **chosen}
        return batches(store_folder, dimensions, neighbours=neighbours, augmentation=augmentation)[
            0
        ]

    plain, _ = batches(store_folder, dimensions, neighbours=neighbours)
    own = slice(4 * neighbours, 4 * neighbours + 4)
    inside = plain.mask.expand(-1, 4, *[-1] * dimensions)
    for chosen in ({}, {"bias_field": 0}, {"log_gamma": 0}):
        batch = made(**chosen)
        for before, after in zip(tensors(plain)[1:], tensors(batch)[1:], strict=True):
            assert torch.equal(before, after)
        assert not batch.images[:, own][~inside].any()
        assert torch.equal(batch.images == 0, plain.images == 0)
        assert torch.isfinite(batch.images).all()
        assert (batch.images[:, own][:, :2] != plain.images[:, own][:, :2]).float().mean() > 0.1
    # An exponent alone keeps the range and the order of what a modality shows.
    curved = made(bias_field=0).images[:, own]
    for before, after, mask in zip(plain.images[:, own], curved, plain.mask[:, 0], strict=True):
        for x, y in zip(before[:2, mask], after[:2, mask], strict=True):
            order = x.argsort()
            assert (y[order].diff() >= -1e-5).all()
            torch.testing.assert_close(y[order[[0, -1]]], x[order[[0, -1]]], atol=1e-5, rtol=0)


def test_stopped_and_taken_up_again_holds_with_augmentation(tmp_path: Path) -> None:
    store = open_store(make_store(tmp_path / "store"))

    def trainer(name: str, **more: Any) -> Trainer:
        chosen = {"elastic": 0.02, "log_gamma": 0.1}
        told = {"augmentation": chosen, "checkpoint_every": 2, "samples": 0, **more}
        return Trainer(
            cyclegan(coordinates=True), store, OBJECTIVE, training_config(4, **told),
            tmp_path / name,
        )  # fmt: skip

    straight, again, plain = (
        trainer("straight"),
        trainer("stopped"),
        trainer("p", augmentation=None),
    )
    trainer("stopped").train(until=3)
    for one in (straight, again, plain):
        one.train()
    theirs, others = again.average.state_dict(), plain.average.state_dict()
    for name, weight in straight.average.state_dict().items():
        assert torch.equal(weight, theirs[name]), name
    assert any(not torch.equal(w, others[n]) for n, w in straight.average.state_dict().items())


@pytest.mark.parametrize("dimensions", [2, 3])
def test_what_may_come_to_be_shown_is_read(dimensions: int) -> None:
    config = Augmentation.model_validate({**BENT, "elastic": 0.1})
    drawn = draw_variation(config, np.random.default_rng(0), 300, dimensions, 1)
    assert drawn.moved.all()
    assert drawn.degrees.abs().max() <= 20
    assert 0.8 <= drawn.scales.min() < drawn.scales.max() <= 1.2
    assert drawn.bends.abs().max() <= 0.1
    # Turning a square by 45 degrees shows what lies its diagonal away.
    assert margin(100, 2, degrees=45, scale=1, shift=0, elastic=0) == 21
    assert margin(100, 2, degrees=0, scale=0.5, shift=0.1, elastic=0) == 60
    assert margin(100, 3, degrees=180, scale=1, shift=0, elastic=0) == 37


def test_patches_are_moved_by_torchio_alone(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchio", None)
    with pytest.raises(DependencyError, match=r"harmonize-kit\[augment\]"):
        batches(store_folder, 3, augmentation=GEOMETRY)
    batches(store_folder, 3, augmentation=COLOURS)
    batches(store_folder, 2, augmentation=GEOMETRY)
