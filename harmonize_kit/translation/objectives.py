"""What a step asks of generators and discriminators, each wish by its name.

Losses are in 32 bits, whatever the networks compute in.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from harmonize_kit.config.translation import ObjectiveConfig
from harmonize_kit.translation.adversarial import (
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    gradient_penalty,
)
from harmonize_kit.translation.consistency import distance, lesion_loss, structure_loss
from harmonize_kit.translation.cyclegan import Batch, CycleGAN, Translated
from harmonize_kit.translation.noise_gain import noise_gain
from harmonize_kit.translation.replay import ReplayBuffer

Losses = dict[str, Tensor]
Exchange = Callable[[str, Batch], Batch]


def generator_losses(
    networks: CycleGAN,
    site: str,
    x: Batch,
    r: Batch,
    made: Translated,
    config: ObjectiveConfig,
    draws: torch.Generator | None = None,
) -> Losses:
    """Return every weighted wish of the generators by name; their sum is what they minimise.

    ``draws`` is where noise comes from that is only added to see what becomes of it.
    """
    own_x, own_r = networks.middle(x.images), networks.middle(r.images)
    losses: Losses = {}
    adversarial: list[Tensor] = []
    matching: list[Tensor] = []
    compared = config.adversarial != "least-squares" or config.feature_matching > 0
    for name, fake, on, real, real_on in (
        (networks.reference, made.to_reference, x, own_r, r),
        (site, made.to_site, r, own_x, x),
    ):
        verdict, features = _judged(networks, name, fake, on)
        with torch.no_grad():
            told = _judged(networks, name, real, real_on) if compared else None
        adversarial.append(
            generator_loss(None if told is None else told[0], verdict, config.adversarial)
        )
        if told is not None and config.feature_matching > 0:
            matching.append(feature_matching_loss(told[1], features))
    losses["adversarial"] = torch.stack(adversarial).sum()
    norm = config.consistency
    site_cycle = config.cycle if config.site_cycle is None else config.site_cycle
    losses["cycle"] = site_cycle * distance(
        made.site_again, own_x, x.mask, norm
    ) + config.cycle * distance(made.reference_again, own_r, r.mask, norm)
    losses["identity"] = config.identity * (
        distance(made.site_kept, own_x, x.mask, norm)
        + distance(made.reference_kept, own_r, r.mask, norm)
    )
    if matching:
        losses["feature_matching"] = config.feature_matching * torch.stack(matching).sum()
    pairs = ((own_x, made.to_reference, x), (own_r, made.to_site_sharp, r))
    if config.structure > 0:
        apart = [structure_loss(own, fake, batch.mask) for own, fake, batch in pairs]
        losses["structure"] = config.structure * torch.stack(apart).sum()
    if config.noise_gain > 0:
        gain = noise_gain(networks, x, made.to_reference, draws)
        losses["noise_gain"] = config.noise_gain * gain
    if config.lesion > 0:
        apart = [
            lesion_loss(own, fake, batch.lesion, batch.mask)
            for own, fake, batch in pairs
            if batch.lesion is not None
        ]
        if apart:
            losses["lesion"] = config.lesion * torch.stack(apart).sum()
    return losses


def discriminator_losses(
    networks: CycleGAN,
    site: str,
    x: Batch,
    r: Batch,
    made: Translated,
    config: ObjectiveConfig,
    shown: Exchange,
    *,
    penalise: bool,
) -> Losses:
    """Return what both discriminators minimise, by name.

    ``shown(site, made)`` exchanges made images for earlier ones; ``penalise`` adds the gradient
    penalty, weighing as much more as it is rare.
    """
    judged: list[Tensor] = []
    penalties: list[Tensor] = []
    for name, fake, on, ours in (
        (networks.reference, made.to_reference, x, r),
        (site, made.to_site, r, x),
    ):
        earlier = shown(name, replace(on, images=fake.detach(), lesion=None))
        real = networks.middle(ours.images)
        if penalise:
            real = real.detach().requires_grad_()
        # A gradient whose norm is to be small has no place in 16 bits, where it may vanish.
        with _in_32_bits(real.device) if penalise else nullcontext():
            of_real, _ = _judged(networks, name, real, ours)
        of_fake, _ = _judged(networks, name, earlier.images, earlier)
        judged.append(discriminator_loss(of_real, of_fake, config.adversarial))
        if penalise:
            penalties.append(gradient_penalty(real, of_real))
    losses = {"discriminator": torch.stack(judged).sum()}
    if penalties:
        losses["penalty"] = config.r1 * config.r1_every * torch.stack(penalties).sum()
    return losses


def mean_change(own: Tensor, made: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute change inside the masks: not asked for, but to be watched."""
    change = (made.detach() - own).abs() * mask
    return change.sum() / (mask.sum() * own.shape[1]).clamp(min=1)


def _judged(
    networks: CycleGAN, site: str, images: Tensor, on: Batch
) -> tuple[Tensor, list[Tensor]]:
    """Return verdicts, in 32 bits in whatever the network computes, and features."""
    verdict, features = networks.judge(site, images, on)
    return verdict.float(), features


def _in_32_bits(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, enabled=False)


def exchange_of(buffers: dict[str, ReplayBuffer]) -> Exchange:
    """Return the exchange of made images, with masks and places, for earlier ones of the site."""

    def shown(site: str, made: Batch) -> Batch:
        parts = [made.images, made.mask, *([] if made.places is None else [made.places])]
        kept = buffers[site].exchange(torch.cat([p.to(made.images.dtype) for p in parts], dim=1))
        c = made.images.shape[1]
        places = None if made.places is None else kept[:, c + 1 :]
        return Batch(kept[:, :c], kept[:, c : c + 1] > 0.5, None, places)

    return shown
