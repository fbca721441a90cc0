"""What discriminator and generator ask of each other."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from harmonize_kit.translation.processes import mean_over_processes

Adversarial = Literal["least-squares", "relativistic", "paired"]


def discriminator_loss(real: Tensor, fake: Tensor, kind: Adversarial) -> Tensor:
    """Return what the discriminator wants small: real images told from made ones.

    Parameters
    ----------
    real, fake : Tensor, shape (n, 1, ...)
        Verdicts on patches of real images and of made ones.
    kind : {"least-squares", "relativistic", "paired"}
        Mao et al. (2017), equation 9: the mean of (real - 1)^2 and fake^2, halved. Or its
        relativistic average (Jolicoeur-Martineau 2019, table 1): real patches be 1 above the mean
        made one, made ones 1 below the mean real one; halved likewise. Or its relativistic
        pair (same work, equation 5, with squares): every real patch be 1 above the made one at its
        side. As long as both show the same place of the head, what is there whoever the scanner was
        is in both verdicts, and drops out of their difference.
    """
    if kind == "paired":
        return (real - fake - 1).square().mean()
    if kind == "relativistic":
        above = real - mean_over_processes(fake.mean())
        below = fake - mean_over_processes(real.mean())
        return 0.5 * ((above - 1).square().mean() + (below + 1).square().mean())
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def generator_loss(real: Tensor | None, fake: Tensor, kind: Adversarial) -> Tensor:
    """Return what the generator wants small: made images taken for real ones.

    ``real`` is used by the relativistic kinds alone, with the roles of both exchanged; it is then
    the verdict of the same discriminator on real images, without gradient.
    """
    if kind == "least-squares":
        return (fake - 1).square().mean()
    if real is None:
        raise ValueError("the relativistic losses compare: they need verdicts on real images")
    if kind == "paired":
        return (fake - real - 1).square().mean()
    above = fake - mean_over_processes(real.mean())
    below = real - mean_over_processes(fake.mean())
    return 0.5 * ((above - 1).square().mean() + (below + 1).square().mean())


def gradient_penalty(real: Tensor, verdicts: Tensor) -> Tensor:
    """Return the R1 penalty of Mescheder et al. (2018), equation 9, without its weight.

    Half of the squared norm of the gradient of the verdict, at real images. The verdict of an
    image is the sum over its patches, so that the penalty does not depend on how patches overlap;
    the mean is taken over images.

    Parameters
    ----------
    real : Tensor, shape (n, c, ...)
        Real images, which require a gradient.
    verdicts : Tensor, shape (n, 1, ...)
        What the discriminator says of them.
    """
    (gradient,) = torch.autograd.grad(verdicts.sum(), real, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()


def feature_matching_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Return the mean squared difference of mean features (Salimans et al. 2016, section 3.1).

    Means are over the images of all processes and over places, in 32 bits, so that unpaired images
    may be compared; stages weigh alike.
    """
    apart = [
        (_mean_features(r).detach() - _mean_features(f)).square().mean()
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(apart).mean()


def _mean_features(features: Tensor) -> Tensor:
    precise = torch.promote_types(features.dtype, torch.float32)
    return mean_over_processes(features.transpose(0, 1).flatten(1).mean(1, dtype=precise))
