"""Networks of patches: drawn from the same store, and put together again in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.config.translate import TranslationConfig  # noqa: E402
from harmonize_kit.config.translation import (  # noqa: E402
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    Phase,
    TrainingConfig,
)
from harmonize_kit.errors import ConfigError  # noqa: E402
from harmonize_kit.translation.apply import apply_generator  # noqa: E402
from harmonize_kit.translation.batches import BatchLoader  # noqa: E402
from harmonize_kit.translation.cyclegan import CycleGAN  # noqa: E402
from harmonize_kit.translation.matching import match  # noqa: E402
from harmonize_kit.translation.model import (  # noqa: E402
    load_translator,
    save_translator,
    translator_of,
)
from harmonize_kit.translation.store import SlicedCase, open_store, write_store  # noqa: E402
from harmonize_kit.translation.trainer import Trainer  # noqa: E402


def case(number: int, site: str, count: int) -> SlicedCase:
    """A box of a head, whose single modality counts its voxels along z, brighter at site B."""
    mask = np.zeros((count, 24, 24), dtype=bool)
    mask[:, 3:21, 4:22] = True
    images = np.arange(1, count + 1)[:, None, None, None] / 8 + np.zeros((count, 1, 24, 24))
    images = images + np.linspace(0, 0.01, 24) + (site == "B")
    return SlicedCase(f"{site}{number}", site, {}, images, mask)


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patches") / "store"
    write_store(folder, [case(n, "AB"[n % 2], 10 if n < 2 else 20) for n in range(4)], (24, 24))
    return folder


def test_a_patch_is_a_piece_of_its_case_and_empty_beyond_its_ends(store_folder: Path) -> None:
    config = TrainingConfig(crop=16, batch=24, flip=False)
    matching = match(open_store(store_folder), "B", 0.5, 0)
    with BatchLoader(matching, config, 0, torch.device("cpu"), places=True, dimensions=3) as loader:
        batch, _ = loader.batch("A", 0, 0)
    assert batch.images.shape == (24, 1, 16, 16, 16)
    assert batch.mask.shape == (24, 1, 16, 16, 16)
    assert batch.places is not None
    assert batch.places.shape == (24, 3, 16, 16, 16)
    lengths = set[int]()
    for image, inside, places in zip(batch.images, batch.mask[:, 0], batch.places, strict=True):
        shown = inside.flatten(1).any(1)
        lengths.add(int(shown.sum()))
        assert not image[0][~inside].any()
        # The places of both heads run from end to end, and so do their intensities.
        count = 10 if shown.sum() == 10 else 20
        told = (places[0][inside] + 1) * count / 2 + 0.5
        torch.testing.assert_close(image[0][inside] * 8, told, atol=0.1, rtol=0)
    assert lengths == {10, 16}


SMALL: dict[str, Any] = {"architecture": "unet", "features": 2, "blocks": 1, "dimensions": 3}


def test_patches_are_trained_on_and_used(tmp_path: Path, store_folder: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = CycleGAN(
        "AB", "B", GeneratorConfig(**SMALL, smooth_field=True, coordinates=True),
        DiscriminatorConfig(features=2, layers=1, dimensions=3, sees_mask=True),
    )  # fmt: skip
    config = TrainingConfig(
        crop=16, batch=2, phases=(Phase(steps=1, shrink=2), Phase(steps=2)), generator_rate=5e-3,
        average=0.0,
    )  # fmt: skip
    objective = ObjectiveConfig(r1=0.01, r1_every=2, replay=4, structure=0.1, lesion=0.1)
    trainer = Trainer(networks, open_store(store_folder), objective, config, tmp_path)
    trainer.train()
    save_translator(translator_of(trainer, ["t1"]), tmp_path)
    model = load_translator(tmp_path)
    given = case(0, "A", 18)
    mask = given.mask.copy()
    mask[:, :, 12:] = False
    images = given.images.astype(np.float32).transpose(1, 0, 2, 3)
    made = apply_generator(model.forwards, model.config, images, mask, flips=True, patch=16)
    np.testing.assert_array_equal(made.images[:, ~mask], images[:, ~mask])
    assert np.isfinite(made.images).all()
    assert np.mean(made.images[:, mask] != images[:, mask]) > 0.9


class Brighter(torch.nn.Module):
    """Adds one inside the mask, in the middle of a patch alone."""

    def forward(self, x: Any, mask: Any) -> Any:
        assert x.shape[2:] == (16, 16, 16)
        return torch.where(mask, x + 1, x)


@pytest.mark.parametrize("shape", [(16, 16, 16), (7, 30, 41), (33, 12, 24)])
def test_overlapping_patches_make_a_seamless_whole(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, *shape)).astype(np.float32)
    mask = rng.random(shape) < 0.3
    config = GeneratorConfig(channels=2, dimensions=3)
    made = apply_generator(Brighter(), config, images, mask, patch=16, batch=3).images
    np.testing.assert_allclose(made[:, mask], images[:, mask] + 1, atol=1e-5)
    np.testing.assert_array_equal(made[:, ~mask], images[:, ~mask])


def test_patches_need_a_size_and_networks_of_one_kind() -> None:
    with pytest.raises(ValueError, match=r"needs training.crop"):
        TranslationConfig.model_validate(
            {"generator": {"dimensions": 3}, "discriminator": {"dimensions": 3}}
        )
    with pytest.raises(ValueError, match="got dimensions 3 and 2"):
        TranslationConfig.model_validate({"generator": {"dimensions": 3}})
    with pytest.raises(ConfigError, match="patches, which have no planes"):
        apply_generator(
            Brighter(), GeneratorConfig(dimensions=3), np.zeros((1, 4, 4, 4), np.float32),
            np.ones((4, 4, 4), bool), planes=True,
        )  # fmt: skip
