"""Ways back to a site that end in its blur and noise: what they do, in training and in use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from torch import Tensor, nn  # noqa: E402

from harmonize_kit.config.translation import (  # noqa: E402
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    Phase,
    TrainingConfig,
)
from harmonize_kit.errors import ConfigError  # noqa: E402
from harmonize_kit.translation import draws  # noqa: E402
from harmonize_kit.translation.apply import apply_generator  # noqa: E402
from harmonize_kit.translation.blur_and_noise import TILE, BlurAndNoise, transfer  # noqa: E402
from harmonize_kit.translation.cyclegan import Batch, CycleGAN, translate  # noqa: E402
from harmonize_kit.translation.degradation import Degradation  # noqa: E402
from harmonize_kit.translation.draws import draws_of  # noqa: E402
from harmonize_kit.translation.model import (  # noqa: E402
    load_translator,
    save_translator,
    translator_of,
)
from harmonize_kit.translation.objectives import generator_losses  # noqa: E402
from harmonize_kit.translation.store import SlicedCase, open_store, write_store  # noqa: E402
from harmonize_kit.translation.trainer import Trainer  # noqa: E402

SIZE = (32, 32)
BLUR, NOISE = 0.8, 0.3


@pytest.fixture(autouse=True)
def _one_thread() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)
    torch.manual_seed(0)


def degradation(*known: tuple[float, float]) -> Degradation:
    made = Degradation(len(known))
    made.fit(tuple(BlurAndNoise(blur, noise, 0.0) for blur, noise in known))
    return made


def cyclegan(sites: str = "RS", **own: Any) -> CycleGAN:
    generator = {"architecture": "unet", "features": 4, "blocks": 1, "degradation": "measured"}
    return CycleGAN(
        sites, "R", GeneratorConfig.model_validate({**generator, **own}),
        DiscriminatorConfig(features=4, layers=1),
    )  # fmt: skip


def fitted(**own: Any) -> CycleGAN:
    networks = cyclegan(**own)
    made = networks.degradation_of("S")
    assert made is not None
    made.fit((BlurAndNoise(BLUR, NOISE, 0.0),))
    return networks


def batch(n: int = 2) -> Batch:
    mask = torch.zeros(n, 1, *SIZE, dtype=torch.bool)
    mask[..., 4:-4, 4:-4] = True
    return Batch(torch.where(mask, torch.randn(n, 1, *SIZE), 0), mask)


def disturbed(network: nn.Module) -> None:
    """Let a generator that changes nothing yet change something."""
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.1)


def test_it_blurs_as_a_gaussian_and_mixes_nothing_from_outside() -> None:
    x = batch()
    images = x.images.repeat(1, 2, 1, 1) + torch.where(x.mask, 0.0, 99.0)
    made = degradation((BLUR, 0), (0, 0)).blurred(images, x.mask)
    inside = x.mask[:, 0].numpy()
    for found, image, within in zip(made.numpy(), images.numpy(), inside, strict=True):
        sums, weights = (
            # At this width the waves that a sampled Gaussian has no room for are few.
            ndimage.gaussian_filter(part, BLUR, mode="constant")
            for part in (np.where(within, image[0], 0).astype(float), within.astype(float))
        )
        np.testing.assert_allclose(found[0][within], sums[within] / weights[within], atol=0.05)
        assert np.abs(found[0] - image[0])[within].max() > 0.5
        assert (found[0][~within] == 99).all()
        np.testing.assert_allclose(found[1], image[1], atol=1e-5)


def test_what_was_shrunk_is_blurred_by_as_many_voxels_less() -> None:
    seeded = torch.Generator().manual_seed(0)
    smooth = nn.functional.avg_pool2d(torch.randn(1, 1, 68, 68, generator=seeded), 5, 1)
    everywhere = torch.ones_like(smooth, dtype=torch.bool)
    made = degradation((BLUR, 0))
    halved = nn.functional.avg_pool2d(smooth, 2)
    expected = nn.functional.avg_pool2d(made.blurred(smooth, everywhere), 2)
    found = made.blurred(halved, everywhere[..., :32, :32], 2)
    within = (..., slice(3, -3), slice(3, -3))
    apart = (found - expected)[within].std().item()
    # Averaging folds the finest waves over, which no blur of the averages can know.
    assert apart < 0.4 * (halved - expected)[within].std().item()


def test_what_passes_is_what_is_measured_by() -> None:
    impulse = torch.zeros(1, 1, TILE, TILE)
    impulse[..., 0, 0] = 1
    # Rolled into the middle, where the kernel does not reach the border.
    seen = torch.roll(impulse, (TILE // 2, TILE // 2), (2, 3))
    everywhere = torch.ones_like(seen, dtype=torch.bool)
    blurred = degradation((BLUR, 0)).blurred(seen, everywhere)[0, 0].numpy()
    waves = np.abs(np.fft.fft2(blurred))
    # But for what the kernel does not reach.
    np.testing.assert_allclose(waves, transfer(BLUR), atol=0.02)


def test_noise_has_its_size_and_is_the_same_for_every_share_of_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = batch(4)
    cpu = torch.device("cpu")
    made = degradation((0, NOISE))

    def noise(images: Tensor, mask: Tensor, shrink: int = 1, step: int = 1) -> Tensor:
        return made.noisy(images, mask, draws_of(0, step, cpu), shrink) - images

    whole = noise(x.images, x.mask)
    assert whole[x.mask].std().item() == pytest.approx(NOISE, rel=0.1)
    assert not whole[~x.mask].any()
    assert (whole[0] - whole[1])[x.mask[0]].std().item() > NOISE
    assert not torch.equal(noise(x.images, x.mask, step=2), whole)
    # The mean of two by two voxels has half of it.
    torch.testing.assert_close(noise(x.images, x.mask, 2), whole / 2)
    for rank in (0, 1):
        monkeypatch.setattr(draws, "place", lambda rank=rank: (rank, 2))
        share = slice(2 * rank, 2 * rank + 2)
        torch.testing.assert_close(noise(x.images[share], x.mask[share]), whole[share])


def test_until_it_is_fitted_it_does_nothing() -> None:
    x = batch()
    made = Degradation(1)
    torch.testing.assert_close(made.blurred(x.images, x.mask), x.images)
    assert torch.equal(made.noisy(x.images, x.mask, None), x.images)


def test_a_step_degrades_what_goes_on_and_not_what_is_kept() -> None:
    networks, x, r = fitted(), batch(), batch()
    # Generators change nothing yet, so that only the degradation is seen.
    made = translate(networks, "S", x, r, draws_of(0, 0, torch.device("cpu")))
    own = networks.degradation_of("S")
    assert own is not None
    assert torch.equal(made.to_site_sharp, r.images)
    assert torch.equal(made.site_kept, x.images)
    assert torch.equal(made.site_again, own.blurred(x.images, x.mask))
    noise = (made.to_site - own.blurred(r.images, r.mask))[r.mask]
    assert noise.std().item() == pytest.approx(NOISE, rel=0.15)
    assert torch.equal(made.reference_again, made.to_site)
    halved = translate(networks, "S", replace(x, shrink=2), replace(r, shrink=2))
    less = (halved.to_site - own.blurred(r.images, r.mask, 2))[r.mask]
    assert less.std().item() == pytest.approx(NOISE / 2, rel=0.15)


def test_the_way_of_a_site_and_back_weighs_what_it_is_said_to() -> None:
    networks, x, r = fitted(), batch(), batch()
    made = translate(networks, "S", x, r, draws_of(0, 0, torch.device("cpu")))

    def cycle(**own: float) -> float:
        config = ObjectiveConfig.model_validate({"replay": 0, **own})
        return generator_losses(networks, "S", x, r, made, config)["cycle"].item()

    assert cycle(cycle=2, site_cycle=3) == pytest.approx(
        cycle(cycle=2, site_cycle=0) + cycle(cycle=0, site_cycle=3)
    )
    assert cycle(cycle=2) == pytest.approx(cycle(cycle=2, site_cycle=2))


@pytest.mark.parametrize("averages", [{}, {"smooth_field": True, "field_mm": 4, "detail_mm": 1}])
def test_in_use_the_way_back_blurs_and_the_way_there_does_not(averages: dict[str, Any]) -> None:
    networks = fitted(**averages)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(1, 5, 21, 30)).astype(np.float32)
    mask = np.zeros((5, 21, 30), dtype=bool)
    mask[:, 3:-3, 3:-3] = True
    config = networks.generator_config

    def applied(generator: nn.Module, **more: Any) -> np.ndarray:
        return apply_generator(
            generator, config, images, mask, spacing=(1.0, 1.0, 1.0), batch=2, **more
        ).images

    np.testing.assert_allclose(applied(networks.forwards), images, atol=1e-6)
    own = networks.degradation_of("S")
    assert own is not None
    slices, inside = torch.from_numpy(images.transpose(1, 0, 2, 3)), torch.from_numpy(mask[:, None])
    expected = own.blurred(slices, inside).numpy().transpose(1, 0, 2, 3)
    back = applied(networks.back_to("S"))
    np.testing.assert_allclose(back, expected, atol=1e-5)
    np.testing.assert_array_equal(back[:, ~mask], images[:, ~mask])
    # Whatever planes are looked at, the blur is of the plane that it was measured in.
    planes = applied(networks.back_to("S"), planes=True)
    np.testing.assert_allclose(planes, expected, atol=1e-5)
    # There is no noise in it.
    np.testing.assert_array_equal(applied(networks.back_to("S")), back)
    disturbed(networks.back_to("S"))
    assert np.abs(applied(networks.back_to("S")) - back).max() > 0.01


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Heads of two sites, S blurred and noisy."""
    folder = tmp_path_factory.mktemp("slices") / "store"
    rng = np.random.default_rng(1)
    cases: list[SlicedCase] = []
    for number, site in enumerate("RSRS"):
        image = rng.normal(size=(4, *SIZE))
        image = ndimage.gaussian_filter(image, (0, 0.7, 0.7), mode="wrap") * 2
        if site == "S":
            image = ndimage.gaussian_filter(image, (0, 0.7, 0.7), mode="wrap")
            image += rng.normal(0, 0.2, size=image.shape)
        cases.append(
            SlicedCase(f"{number}", site, {}, image[:, None], np.ones(image.shape, dtype=bool))
        )
    write_store(folder, cases, SIZE)
    return folder


def trainer(folder: Path, slices: Path) -> Trainer:
    torch.manual_seed(1)
    config = TrainingConfig(
        phases=(Phase(steps=3, shrink=2), Phase(steps=3)), batch=2, checkpoint_every=2, samples=1,
    )  # fmt: skip
    objective = ObjectiveConfig(replay=0, site_cycle=0.1, noise_gain=0.1)
    return Trainer(cyclegan(), open_store(slices), objective, config, folder)


def test_a_training_measures_first_and_its_model_knows(tmp_path: Path, slices: Path) -> None:
    made = trainer(tmp_path, slices)
    own = made.networks.degradation_of("S")
    assert own is not None
    assert own.blur.item() == pytest.approx(0.7, abs=0.15)
    assert own.noise.item() == pytest.approx(0.2, abs=0.05)
    made.train()
    save_translator(translator_of(made, ["t1"]), tmp_path)
    back = load_translator(tmp_path)
    kept = back.backwards["S"].get_submodule("degradation")
    assert torch.equal(kept.get_buffer("blur"), own.blur)
    assert torch.equal(kept.get_buffer("noise"), own.noise)
    assert back.trained_on["degradation"] == {
        "S": {"blur_voxels": [own.blur.item()], "noise": [own.noise.item()]}
    }
    assert not any("degradation" in name for name in back.forwards.state_dict())


def test_stopped_and_taken_up_again_it_draws_the_same_noise(tmp_path: Path, slices: Path) -> None:
    straight = trainer(tmp_path / "straight", slices)
    straight.train()
    trainer(tmp_path / "stopped", slices).train(until=5)
    again = trainer(tmp_path / "stopped", slices)
    again.train()
    for name, weight in straight.networks.state_dict().items():
        assert torch.equal(weight, again.networks.state_dict()[name]), name


def test_it_is_of_the_residual_head_of_slices() -> None:
    for own in ({"head": "direct"}, {"dimensions": 3}):
        with pytest.raises(ValidationError, match="residual head of slices alone"):
            GeneratorConfig.model_validate({"degradation": "measured", **own})
    with pytest.raises(ConfigError, match="degradation"):
        CycleGAN("RS", "R", GeneratorConfig(degradation="measured"), DiscriminatorConfig(),
                 own_generator=nn.Identity())  # fmt: skip
