"""Places in the head: the same for crops, padding, planes and mirrored views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.config.translation import (  # noqa: E402
    DiscriminatorConfig,
    GeneratorConfig,
    Phase,
    TrainingConfig,
)
from harmonize_kit.translation.apply import apply_generator  # noqa: E402
from harmonize_kit.translation.batches import BatchLoader  # noqa: E402
from harmonize_kit.translation.cyclegan import Batch, CycleGAN, translate  # noqa: E402
from harmonize_kit.translation.matching import match  # noqa: E402
from harmonize_kit.translation.objectives import exchange_of  # noqa: E402
from harmonize_kit.translation.places import head_box, places_along, places_on  # noqa: E402
from harmonize_kit.translation.replay import ReplayBuffer  # noqa: E402
from harmonize_kit.translation.store import SlicedCase, open_store, write_store  # noqa: E402


def head(shape: tuple[int, int, int], box: tuple[int, ...]) -> tuple[Any, Any]:
    """A mask, and the places of its voxels (3, z, y, x), told by hand."""
    mask = np.zeros(shape, dtype=bool)
    mask[box[0] : box[1], box[2] : box[3], box[4] : box[5]] = True
    middles = np.indices(shape) + 0.5
    low, high = (np.array(box[n::2], float).reshape(3, 1, 1, 1) for n in (0, 1))
    return mask, ((2 * middles - low - high) / (high - low)).astype(np.float32)


def case(number: int, shape: tuple[int, int, int], box: tuple[int, ...]) -> SlicedCase:
    """A head whose three modalities show where each voxel lies in it."""
    mask, places = head(shape, box)
    return SlicedCase(f"c{number}", "AB"[number % 2], {}, places.transpose(1, 0, 2, 3), mask)


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places") / "store"
    cases = [
        case(0, (5, 30, 26), (1, 4, 3, 29, 2, 25)), case(1, (4, 32, 32), (0, 4, 1, 30, 5, 28)),
        case(2, (6, 24, 28), (1, 6, 2, 22, 0, 28)), case(3, (5, 30, 20), (2, 5, 4, 28, 1, 19)),
    ]  # fmt: skip
    write_store(folder, cases, (32, 32))
    return folder


def test_places_are_those_of_the_head_s_bounding_box() -> None:
    mask, places = head((5, 9, 12), (1, 4, 0, 9, 3, 11))
    box = head_box(mask)
    assert box == (1, 4, 0, 9, 3, 11)
    along = [places_along(box, axis, 0, size) for axis, size in enumerate(mask.shape)]
    np.testing.assert_allclose(places_on(along), places, atol=1e-6)
    turned = places_on(along, (2, 0, 1))
    np.testing.assert_allclose(turned, places.transpose(0, 3, 1, 2), atol=1e-6)
    assert places[:, mask].max() < 1 < places[2].max()
    assert head_box(np.zeros((2, 3, 4), dtype=bool)) == (0, 2, 0, 3, 0, 4)


@pytest.mark.parametrize("crop", [None, 16])
@pytest.mark.parametrize("shrink", [1, 2])
def test_a_batch_tells_the_places_of_what_it_shows(
    store_folder: Path, crop: int | None, shrink: int
) -> None:
    config = TrainingConfig(crop=crop, batch=16, phases=(Phase(steps=1, shrink=shrink),))
    matching = match(open_store(store_folder), "B", 0.5, 0)
    with BatchLoader(matching, config, 0, torch.device("cpu"), places=True) as loader:
        batches = loader.batch("A", 0, 0)
    mirrored = 0
    for batch in batches:
        assert batch.places is not None
        # Where all that a voxel averages lies in the head, its images say its place.
        whole = torch.nn.functional.avg_pool2d(batch.mask.float(), 3, 1, 1) > 0.99
        for shown, told, inside in zip(batch.images, batch.places, whole[:, 0], strict=True):
            assert (told[2].diff(dim=1) > 0).all()
            torch.testing.assert_close(shown[:2, inside], told[:2, inside], atol=2e-3, rtol=0)
            turned = (told[2] * shown[2])[inside].sum() < 0
            mirrored += int(turned)
            # A mirrored head lies where it is shown, so its right is where its left was.
            x = -shown[2] if turned else shown[2]
            torch.testing.assert_close(x[inside], told[2, inside], atol=2e-3, rtol=0)
    assert 0 < mirrored < 32


def test_places_are_told_to_networks_that_ask_and_to_no_others() -> None:
    batch = Batch(
        torch.randn(2, 1, 16, 16), torch.ones(2, 1, 16, 16, dtype=torch.bool), None,
        torch.randn(2, 3, 16, 16),
    )  # fmt: skip
    small: dict[str, Any] = {"architecture": "unet", "features": 2, "blocks": 1}
    for generator, judge in ((False, False), (True, False), (False, True)):
        networks = CycleGAN(
            "AB", "B", GeneratorConfig(**small, coordinates=generator),
            DiscriminatorConfig(features=2, layers=1, coordinates=judge),
        )  # fmt: skip
        assert networks.wants_places == (generator or judge)
        told: dict[Any, int] = {}

        def note(network: Any, given: Any, told: dict[Any, int] = told) -> None:
            told[network] = len(given)

        for network in (networks.forwards, networks.judge_of("B")):
            network.register_forward_pre_hook(note)
        made = translate(networks, "A", batch, batch)
        networks.judge("B", made.to_reference, batch)
        assert told == {networks.forwards: 2 + generator, networks.judge_of("B"): 2 + judge}


def test_earlier_images_come_back_with_their_own_places() -> None:
    shown = exchange_of({"B": ReplayBuffer(3, 0)})
    for number in range(6):
        value = torch.arange(4.0).reshape(4, 1, 1, 1) + 4 * number
        batch = Batch(
            value.expand(4, 2, 3, 3), (value % 2 > 0).expand(4, 1, 3, 3), None,
            -value.expand(4, 3, 3, 3),
        )  # fmt: skip
        earlier = shown("B", batch)
        assert earlier.places is not None
        assert torch.equal(earlier.images[:, :1], -earlier.places[:, :1])
        assert torch.equal(earlier.mask, earlier.images[:, :1] % 2 > 0)


class Placed(torch.nn.Module):
    """Shows z, y and the distance from the middle, which is the same on either side."""

    def forward(self, x: Any, mask: Any, places: Any) -> Any:
        del mask
        assert x.shape[2:] == places.shape[2:]
        return torch.cat([places[:, :2], places[:, 2:].abs()], dim=1)


@pytest.mark.parametrize("views", [{}, {"flips": True, "planes": True}])
def test_in_use_every_view_tells_the_same_places(views: dict[str, bool]) -> None:
    mask, places = head((9, 22, 19), (2, 8, 3, 20, 1, 14))
    config = GeneratorConfig(channels=3, coordinates=True)
    images = np.zeros((3, *mask.shape), dtype=np.float32)
    applied = apply_generator(Placed(), config, images, mask, batch=4, **views)  # type: ignore[arg-type]
    expected = np.concatenate([places[:2], np.abs(places[2:])])
    np.testing.assert_allclose(applied.images[:, mask], expected[:, mask], atol=1e-6)
    assert not applied.images[:, ~mask].any()
    assert applied.spread is None or applied.spread.max() < 1e-6
