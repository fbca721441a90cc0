"""A trained translator on disk and on whole volumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from harmonize_kit.config.translation import GeneratorConfig  # noqa: E402
from harmonize_kit.core.digest import digest_value  # noqa: E402
from harmonize_kit.errors import ConfigError, IntegrityError, UnseenSiteError  # noqa: E402
from harmonize_kit.translation.apply import apply_generator, within_memory  # noqa: E402
from harmonize_kit.translation.generator import Generator  # noqa: E402
from harmonize_kit.translation.model import (  # noqa: E402
    Translator,
    load_translator,
    save_translator,
)


def changing(**more: Any) -> Generator:
    """A generator that has forgotten its identity start."""
    torch.manual_seed(0)
    config = GeneratorConfig.model_validate(
        {"architecture": "unet", "features": 4, "blocks": 1, "channels": 2, **more}
    )
    generator = Generator(config)
    torch.nn.init.normal_(generator.last[-1].weight, std=0.05)
    return generator.eval()


def volume(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, *shape)).astype(np.float32)
    mask = np.zeros(shape, dtype=bool)
    mask[1:-2, 2:-3, 3:-2] = True
    return images, mask


@pytest.mark.parametrize("more", [{}, {"flips": True}, {"planes": True, "flips": True}])
def test_background_comes_back_bit_by_bit_whatever_the_size(more: dict[str, bool]) -> None:
    generator = changing()
    images, mask = volume((7, 18, 21))
    applied = apply_generator(generator, generator.config, images, mask, batch=3, **more)  # type: ignore[arg-type]
    assert applied.images.shape == images.shape
    np.testing.assert_array_equal(applied.images[:, ~mask], images[:, ~mask])
    assert np.mean(applied.images[:, mask] != images[:, mask]) > 0.99
    if more:
        assert applied.spread is not None
        assert not applied.spread[:, ~mask].any()
        assert applied.spread[:, mask].mean() > 0
    else:
        assert applied.spread is None


def test_batches_make_no_difference_and_slices_are_their_own() -> None:
    generator = changing(neighbours=1)
    images, mask = volume((6, 20, 24))
    whole = apply_generator(generator, generator.config, images, mask, batch=8).images
    single = apply_generator(generator, generator.config, images, mask, batch=1).images
    np.testing.assert_allclose(whole, single, atol=1e-5)
    other = images.copy()
    other[:, 5] += 1
    moved = apply_generator(generator, generator.config, other, mask, batch=8).images
    # Slice 3 sees slices 2 to 4; slice 4 would see the changed one, and lies outside of the mask.
    np.testing.assert_allclose(moved[:, 1:4], whole[:, 1:4], atol=1e-5)
    other[:, 2] += 1
    moved = apply_generator(generator, generator.config, other, mask, batch=8).images
    assert np.abs(moved[:, 1] - whole[:, 1]).max() > 1e-3


def test_a_generator_of_one_voxel_commutes_with_every_view() -> None:
    generator = changing()
    for weight in generator.parameters():
        torch.nn.init.zeros_(weight)
    torch.nn.init.constant_(generator.last[-1].bias, 0.5)
    images, mask = volume((9, 17, 30))
    plain = apply_generator(generator, generator.config, images, mask)
    every = apply_generator(generator, generator.config, images, mask, flips=True, planes=True)
    np.testing.assert_array_equal(plain.images, every.images)
    np.testing.assert_allclose(plain.images[:, mask], images[:, mask] + 0.5, atol=1e-6)
    assert every.spread is not None
    assert every.spread.max() < 1e-6


def test_what_does_not_fit_is_told() -> None:
    generator = changing()
    images, mask = volume((6, 20, 24))
    with pytest.raises(ConfigError, match="expected 2 modalities, got 1"):
        apply_generator(generator, generator.config, images[:1], mask)
    patches = GeneratorConfig(channels=2, dimensions=3)
    with pytest.raises(ConfigError, match="patches, which have no planes"):
        apply_generator(generator, patches, images, mask, planes=True)


def test_the_batch_is_what_memory_allows() -> None:
    tried: list[int] = []

    def run(batch: int, most: int = 5) -> str:
        tried.append(batch)
        if batch > most:
            raise torch.OutOfMemoryError
        return "made"

    assert within_memory(run, 32) == ("made", 4)
    assert tried == [32, 16, 8, 4]
    with pytest.raises(torch.OutOfMemoryError):
        within_memory(lambda batch: run(batch, 0), 2)


def translator(sites: tuple[str, ...]) -> Translator:
    networks = {site: changing() for site in sites}
    one = changing()
    return Translator(
        one.config, ("t1", "t2"), "R", sites, one, networks, len(sites) > 1, {"steps": 3}
    )


def test_a_translator_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    made = translator(("a.b/c", "<x>"))
    save_translator(made, tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "model.json",
        "model.safetensors",
    ]
    back = load_translator(tmp_path / "model")
    images = torch.randn(1, 2, 16, 16)
    for ours, theirs in (
        (made.forwards, back.forwards),
        *zip(made.backwards.values(), back.backwards.values(), strict=True),
    ):
        assert torch.equal(ours(images), theirs(images))
    assert back.trained_on == {"steps": 3}
    assert (back.sites, back.modalities, back.reference) == (made.sites, made.modalities, "R")


def test_a_changed_translator_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with pytest.raises(ConfigError, match="no translator at"):
        load_translator(folder)
    save_translator(translator(("A",)), folder)
    document, weights = folder / "model.json", folder / "model.safetensors"
    texts = document.read_text(), weights.read_bytes()
    document.write_text(texts[0].replace('"steps": 3', '"steps": 4'))
    with pytest.raises(IntegrityError, match=r"model.json was changed"):
        load_translator(folder)
    document.write_text(texts[0].replace('"version": 1', '"version": 2'))
    with pytest.raises(IntegrityError, match="update harmonize_kit"):
        load_translator(folder)
    newer = json.loads(texts[0])
    del newer["sha256"]
    newer["generator"]["head"] = "curves"
    document.write_text(json.dumps(newer | {"sha256": digest_value(newer)}))
    with pytest.raises(IntegrityError, match="does not know"):
        load_translator(folder)
    document.write_text(json.dumps({"a": 1}))
    with pytest.raises(IntegrityError, match="damaged"):
        load_translator(folder)
    document.write_text(texts[0])
    weights.write_bytes(texts[1][:-1] + b"\1")
    with pytest.raises(IntegrityError, match=r"model.safetensors was changed"):
        load_translator(folder)
    weights.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        load_translator(folder)


def test_sites_a_translator_knows_and_sites_it_does_not() -> None:
    two, three = translator(("A",)), translator(("A", "B"))
    assert two.generator_for("A") is two.forwards
    assert two.generator_for("R") is None
    assert two.generator_for("R", to="A") is two.backwards["A"]
    with pytest.raises(UnseenSiteError, match="knows nothing of 'new'"):
        two.generator_for("new")
    assert three.generator_for("new") is three.forwards
    with pytest.raises(UnseenSiteError, match="cannot take 'A' to 'B'"):
        three.generator_for("A", to="B")
