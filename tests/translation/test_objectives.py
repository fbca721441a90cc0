"""Losses against computations by hand, and laws of what they are blind to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: image)")

from torch import Tensor  # noqa: E402

from harmonize_kit.config.translate import TranslationConfig  # noqa: E402
from harmonize_kit.config.translation import ObjectiveConfig, TrainingConfig  # noqa: E402
from harmonize_kit.translation.adversarial import (  # noqa: E402
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    gradient_penalty,
)
from harmonize_kit.translation.consistency import (  # noqa: E402
    Norm,
    distance,
    lesion_loss,
    structure_loss,
)
from harmonize_kit.translation.cyclegan import Batch, CycleGAN, Translated  # noqa: E402
from harmonize_kit.translation.objectives import (  # noqa: E402
    Losses,
    discriminator_losses,
    generator_losses,
)
from harmonize_kit.translation.replay import ReplayBuffer  # noqa: E402


def test_adversarial_losses_by_hand() -> None:
    real, fake = torch.tensor([[[0.5, 1.5]]]), torch.tensor([[[0.0, 1.0]]])
    # (.25 + .25) / 2 = .25 and (0 + 1) / 2 = .5, halved
    assert discriminator_loss(real, fake, "least-squares") == pytest.approx(0.375)
    assert generator_loss(None, fake, "least-squares") == pytest.approx(0.5)
    # real - .5 = 0, 1 -> (1 + 0) / 2; fake - 1 = -1, 0 -> (0 + 1) / 2; halved
    assert discriminator_loss(real, fake, "relativistic") == pytest.approx(0.5)
    # fake - 1 = -1, 0 -> (4 + 1) / 2; real - .5 = 0, 1 -> (1 + 4) / 2; halved
    assert generator_loss(real, fake, "relativistic") == pytest.approx(2.5)
    # real - fake - 1 = -.5, -.5; fake - real - 1 = -1.5, -1.5
    assert discriminator_loss(real, fake, "paired") == pytest.approx(0.25)
    assert generator_loss(real, fake, "paired") == pytest.approx(2.25)
    with pytest.raises(ValueError, match="real images"):
        generator_loss(None, fake, "relativistic")


def test_only_the_paired_loss_knows_which_patches_lie_at_one_place() -> None:
    real, fake = torch.tensor([[[0.5, 1.5]]]), torch.tensor([[[0.0, 1.0]]])
    assert discriminator_loss(real, fake.flip(-1), "paired") == pytest.approx(1.25)
    same = discriminator_loss(real, fake, "relativistic")
    assert discriminator_loss(real, fake.flip(-1), "relativistic") == pytest.approx(same)
    with pytest.raises(ValueError, match="replay: 0"):
        ObjectiveConfig(adversarial="paired")
    with pytest.raises(ValueError, match="same_place"):
        TranslationConfig(
            objective=ObjectiveConfig(adversarial="paired", replay=0),
            training=TrainingConfig(same_place=False),
        )


def test_gradient_penalty_of_a_verdict_whose_gradient_is_known() -> None:
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[0.0, 1.0], [0.0, 0.0]]]])
    image.requires_grad_()
    # d/dx sum(x^2 + 3x) = 2x + 3: (25 + 49 + 81 + 121) / 2 and (9 + 25 + 9 + 9) / 2
    penalty = gradient_penalty(image, image.square() + 3 * image)
    assert penalty.item() == pytest.approx((276 / 2 + 52 / 2) / 2)
    penalty.backward()
    assert image.grad is not None


def test_feature_matching_compares_means() -> None:
    real = [torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0]], [[2.0]]]])]
    fake = [torch.tensor([[[[5.0, 5.0]]]]), torch.tensor([[[[1.0]], [[2.0]]]])]
    assert feature_matching_loss(real, fake).item() == pytest.approx((9 + 0.5) / 2)
    shuffled = [real[0].flip(-1), real[1]]
    assert feature_matching_loss(real, shuffled).item() == 0


@pytest.mark.parametrize("norm", ["squared", "absolute"])
def test_distance_is_the_mean_inside_the_mask(norm: Norm) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 2, 5, 4))
    mask = rng.random((3, 1, 5, 4)) > 0.5
    apart = (x - y) ** 2 if norm == "squared" else np.abs(x - y)
    inside = np.broadcast_to(mask, x.shape)
    means = [apart[n][inside[n]].mean() for n in range(3)]
    a, b, m = torch.tensor(x), torch.tensor(y), torch.tensor(mask)
    assert distance(a, b, m, norm).item() == pytest.approx(np.mean(means))
    assert distance(a, b, None, norm).item() == pytest.approx(apart.mean())
    assert distance(a, b, torch.zeros_like(m), norm).item() == 0


def test_structure_is_blind_to_contrast_and_sees_blur_and_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 20, 20, generator=generator)
    mask = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    mask[..., 3:17, 3:17] = True
    assert structure_loss(image, 2.5 * image + 1, mask).item() == pytest.approx(0, abs=1e-5)
    blurred = torch.nn.functional.avg_pool2d(image, 3, stride=1, padding=1)
    assert structure_loss(image, blurred, mask).item() > 0.2
    assert structure_loss(image, image.roll(2, -1), mask).item() > 0.5
    before, after = (np.hypot(*_steps(one[0, 0].numpy())) for one in (image, blurred))
    inside = mask[0, 0].numpy()
    r = np.corrcoef(before[inside], after[inside])[0, 1]
    assert structure_loss(image, blurred, mask).item() == pytest.approx(1 - r, abs=1e-5)


def _steps(image: np.ndarray) -> list[np.ndarray]:
    return [np.diff(image, axis=axis, append=image.take([-1], axis)) for axis in (0, 1)]


def test_lesions_keep_their_contrast() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 1, 24, 24, generator=generator)
    lesion = torch.zeros(2, 1, 24, 24, dtype=torch.bool)
    lesion[0, :, 8:12, 8:12] = True
    image[lesion] += 2
    brighter = 0.3 * image + 4
    assert lesion_loss(image, brighter, lesion, None).item() == pytest.approx(0, abs=1e-6)
    erased = image.clone()
    erased[lesion] -= 2
    assert lesion_loss(image, erased, lesion, None).item() > 2
    # The other image has no lesion: whatever becomes of it is not this loss's business.
    other = image.clone()
    other[1] = 0
    assert lesion_loss(image, other, lesion, None).item() == 0


def test_the_buffer_shows_old_and_new_and_goes_on_where_it_stopped() -> None:
    buffer = ReplayBuffer(8, seed=1)
    images = torch.arange(200.0).reshape(200, 1, 1, 1)
    first = buffer.exchange(images[:8])
    assert torch.equal(first, images[:8])
    shown = torch.cat([buffer.exchange(batch) for batch in images[8:108].split(4)]).flatten()
    new = torch.arange(8.0, 108.0)
    assert 30 < int((shown == new).sum()) < 70
    assert bool((shown <= new).all())
    twin = ReplayBuffer(8, seed=2)
    state = {k: v.clone() if torch.is_tensor(v) else v for k, v in buffer.state_dict().items()}
    twin.load_state_dict(state)
    assert torch.equal(buffer.exchange(images[108:]), twin.exchange(images[108:]))
    assert torch.equal(ReplayBuffer(0, 0).exchange(images), images)


def test_kept_images_follow_to_where_training_goes_on() -> None:
    buffer = ReplayBuffer(4, seed=1)
    buffer.exchange(torch.zeros(2, 1, 3, 3))
    again = ReplayBuffer(4, seed=1)
    # As from a checkpoint, which gives them back on the processor.
    again.load_state_dict(buffer.state_dict())
    shown = again.exchange(torch.zeros(2, 1, 3, 3, device="meta"))
    assert again.images is not None
    assert again.images.device == shown.device == torch.device("meta")
    assert again.filled == 4


@dataclass
class Stub:
    """Judges whose verdict is a multiple of the image: 2 at the reference, 3 at the site."""

    reference: str = "R"

    def middle(self, images: Tensor) -> Tensor:
        return images

    def judge(self, name: str, images: Tensor, on: Batch) -> tuple[Tensor, list[Tensor]]:
        assert images.shape == on.images.shape
        verdict = {"R": 2, "S": 3}[name] * images
        return verdict.to(torch.bfloat16), [images]


def flat(value: float) -> Tensor:
    return torch.full((1, 1, 4, 4), float(value))


def told(losses: Losses) -> dict[str, float]:
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    return {name: loss.item() for name, loss in losses.items()}


def test_each_wish_weighs_what_is_said_and_asks_it_of_the_right_images() -> None:
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    x, r = Batch(flat(1), mask), Batch(flat(5), mask)
    made = Translated(
        to_reference=flat(0.5), to_site=flat(0.25), to_site_sharp=flat(0.25), site_again=flat(1.5),
        reference_again=flat(5.25), site_kept=flat(2), reference_kept=flat(5.5),
    )  # fmt: skip
    networks = cast(CycleGAN, Stub())

    def generators(**more: Any) -> dict[str, float]:
        return told(generator_losses(networks, "S", x, r, made, ObjectiveConfig(**more)))

    def discriminators(*, penalise: bool, **more: Any) -> dict[str, float]:
        config = ObjectiveConfig(**more)
        return told(
            discriminator_losses(
                networks, "S", x, r, made, config, lambda _, shown: shown, penalise=penalise
            )
        )

    # Verdicts: made 1 and 0.75, real 10 (r, by R's) and 3 (x, by S's).
    assert generators() == pytest.approx({
        "adversarial": 0.0 + 0.25**2,
        "cycle": 10 * (0.5**2 + 0.25**2),
        "identity": 5 * (1 + 0.5**2),
    })  # fmt: skip
    assert generators(cycle=3, identity=0.5, consistency="absolute") == pytest.approx({
        "adversarial": 0.0625, "cycle": 3 * 0.75, "identity": 0.5 * 1.5,
    })  # fmt: skip
    compared = generators(adversarial="relativistic", feature_matching=2)
    # fake - real - 1 = -10 and -3.25, and as much the other way round.
    assert compared["adversarial"] == pytest.approx(100 + 3.25**2)
    assert compared["feature_matching"] == pytest.approx(2 * (4.5**2 + 0.75**2))
    assert discriminators(penalise=False) == pytest.approx(
        {"discriminator": 0.5 * (81 + 1) + 0.5 * (4 + 0.75**2)}
    )
    # Half of 16 voxels' squared slopes, 2 and 3, as often weighed as it is left out.
    assert discriminators(penalise=True, r1=0.5, r1_every=4, adversarial="relativistic") == (
        pytest.approx({"discriminator": 8**2 + 1.25**2, "penalty": 2 * 8 * (4 + 9)})
    )


def test_weights_and_rates_are_the_published_ones_unless_told() -> None:
    objective, training = ObjectiveConfig(), TrainingConfig()
    assert (objective.cycle, objective.identity, objective.replay) == (10, 5, 50)
    assert (training.generator_rate, training.discriminator_rate) == (1e-4, 4e-4)
    assert (training.betas, training.decay_from) == ((0.5, 0.999), 0.5)
