"""Generators and discriminators: published shapes, exact backgrounds, identity at the start."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from harmonize_kit.config.translation import DiscriminatorConfig, GeneratorConfig  # noqa: E402
from harmonize_kit.errors import ConfigError  # noqa: E402
from harmonize_kit.translation.discriminator import (  # noqa: E402
    PatchDiscriminator,
    receptive_field,
)
from harmonize_kit.translation.generator import Generator  # noqa: E402
from harmonize_kit.translation.own_networks import import_network  # noqa: E402

SMALL: dict[str, Any] = {"features": 4, "blocks": 1}


@pytest.fixture(autouse=True)
def _seed() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.manual_seed(0)


def weights(network: Any) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_published_networks_to_the_weight_and_the_operation() -> None:
    with torch.device("meta"):
        image = torch.empty(1, 4, 256, 256)
        generator = Generator(GeneratorConfig(channels=4, upsampling="transposed"))
        discriminator = PatchDiscriminator(DiscriminatorConfig(channels=4, spectral_norm=False))
    # Counted by hand: convolutions, their offsets, and one slope a channel of every PReLU.
    assert weights(generator) == 11_379_200 + 5_252 + 2_944
    assert weights(discriminator) == 2_765_761
    for network, giga in ((generator, 99.93), (discriminator, 6.33)):
        with FlopCounterMode(display=False) as counted:
            network(image)
        assert counted.get_total_flops() / 1e9 == pytest.approx(giga, abs=0.005)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_verdict_sees_its_patch_and_nothing_else(layers: int) -> None:
    # Spectral norm, not instance norm, which brings word from the whole image.
    config = DiscriminatorConfig(features=2, layers=layers)
    size = 2 * receptive_field(config)
    image = torch.randn(1, 1, size, size, requires_grad=True)
    verdicts, _ = PatchDiscriminator(config)(image)
    middle = verdicts.shape[-1] // 2
    (seen,) = torch.autograd.grad(verdicts[0, 0, middle, middle], image)
    rows = seen[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == receptive_field(config)
    assert receptive_field(DiscriminatorConfig()) == 70


@pytest.mark.parametrize("architecture", ["resnet", "unet"])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"smooth_field": True, "attention": True, "coordinates": True},
        {"upsampling": "transposed", "channels": 3},
    ],
)
def test_what_has_learned_nothing_changes_nothing(
    architecture: str, dimensions: int, more: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"channels": 2, **SMALL, **more}
    asked |= {"architecture": architecture, "dimensions": dimensions}
    config = GeneratorConfig.model_validate(asked)
    generator = Generator(config)
    image = torch.randn(2, config.channels, *[8] * dimensions)
    places = torch.randn(2, 3, *image.shape[2:]) if config.coordinates else None
    out = generator(image, None, places)
    assert torch.equal(out, image)
    out.square().sum().backward()
    moved = [weight.grad for name, weight in generator.named_parameters() if "last" in name]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in moved)


@pytest.mark.parametrize("head", ["residual", "direct"])
@pytest.mark.parametrize("neighbours", [0, 1])
def test_outside_of_the_mask_nothing_changes_by_a_bit(head: str, neighbours: int) -> None:
    asked = {"head": head, "neighbours": neighbours, "channels": 2, **SMALL}
    config = GeneratorConfig.model_validate(asked)
    generator = Generator(config)
    for weight in generator.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    slices = torch.randn(2, 2 * (2 * neighbours + 1), 12, 16)
    mask = torch.rand(2, 1, 12, 16) > 0.5
    out = generator(slices, mask)
    own = slices[:, 2 * neighbours : 2 * neighbours + 2]
    inside = mask.expand_as(out)
    assert torch.equal(out[~inside], own[~inside])
    assert not torch.isclose(out[inside], own[inside]).all()
    if head == "direct":
        assert out[inside].abs().max() <= 1


def test_sizes_and_channels_that_do_not_fit_are_told() -> None:
    generator = Generator(GeneratorConfig(channels=2, neighbours=1, **SMALL))
    with pytest.raises(ConfigError, match=r"multiples of 4, got \(10, 12\); pad"):
        generator(torch.zeros(1, 6, 10, 12))
    with pytest.raises(ConfigError, match=r"\(n, 6, ...\) with 2 spatial axes, got \(1, 2, 8, 8\)"):
        generator(torch.zeros(1, 2, 8, 8))


def test_a_discriminator_may_see_mask_and_place() -> None:
    config = DiscriminatorConfig(channels=2, features=4, sees_mask=True, coordinates=True)
    discriminator = PatchDiscriminator(config).eval()
    image = torch.randn(1, 2, 64, 64)
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    places = torch.randn(1, 3, 64, 64)
    without, _ = discriminator(image, mask, places)
    with_mask, features = discriminator(image, ~mask, places)
    elsewhere, _ = discriminator(image, mask, places + 1)
    assert not torch.equal(without, with_mask)
    assert not torch.equal(without, elsewhere)
    assert len(features) == 4
    for wrong in (None, places[:, :2]):
        with pytest.raises(ConfigError, match=r"shape \(1, 3, 64, 64\).* coordinates: true, got"):
            discriminator(image, mask, wrong)


def test_spectral_norm_bounds_every_layer() -> None:
    discriminator = PatchDiscriminator(DiscriminatorConfig(features=4))
    for _ in range(30):
        discriminator(torch.randn(1, 1, 64, 64))
    for stage in discriminator.stages:
        weight = torch.as_tensor(next(stage.children()).weight).detach().flatten(1)
        assert torch.linalg.matrix_norm(weight, ord=2) == pytest.approx(1.0, abs=0.05)


def test_only_allowed_packages_are_imported() -> None:
    name = "harmonize_kit.translation.resnet:ResNet"
    assert import_network(name, ["harmonize_kit"]).__name__ == "ResNet"
    for allowed in ([], ["harmonize"], ["harmonize_kit.translation.res"]):
        with pytest.raises(ConfigError, match="--allow harmonize_kit"):
            import_network(name, allowed)
    for wrong in ("os", "os.system", "os:system()", ":x", "a b:c"):
        with pytest.raises(ConfigError, match=r"package.module:Class"):
            import_network(wrong, ["os"])
    with pytest.raises(ConfigError, match=r"torch.nn.Module"):
        import_network("os:system", ["os"])


def test_choices_that_contradict_each_other_are_refused() -> None:
    for wrong in (
        {"architecture": "custom"},
        {"custom": "a:B"},
        {"head": "direct", "smooth_field": True},
        {"dimensions": 3, "neighbours": 1},
        {"featurs": 3},
    ):
        with pytest.raises(ValueError, match=r"custom|smooth_field|neighbours|featurs"):
            GeneratorConfig.model_validate(wrong)
