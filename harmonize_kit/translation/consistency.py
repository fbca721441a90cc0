"""What must stay when the scanner goes: the way back, the anatomy, the lesions."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["squared", "absolute"]
SHELL = 3
MAX_POOL = {2: nn.functional.max_pool2d, 3: nn.functional.max_pool3d}
# Keeps the gradient of a square root finite where an image is flat.
FLAT = 1e-12


def distance(x: Tensor, y: Tensor, mask: Tensor | None, norm: Norm) -> Tensor:
    """Return the mean squared or absolute difference inside the mask, each image weighing alike.

    Parameters
    ----------
    x, y : Tensor, shape (n, c, ...)
    mask : Tensor of bool, shape (n, 1, ...), optional
        None is everywhere. Images with an empty mask add nothing.
    norm : {"squared", "absolute"}
    """
    apart = (x - y).square() if norm == "squared" else (x - y).abs()
    if mask is None:
        return apart.mean()
    inside = mask.to(x.dtype).flatten(1).sum(1) * x.shape[1]
    return ((apart * mask).flatten(1).sum(1) / inside.clamp(min=1)).mean()


def structure_loss(x: Tensor, y: Tensor, mask: Tensor | None) -> Tensor:
    """Return 1 less the correlation of both images' edges inside the mask.

    Edges are the gradient's magnitude, by differences of neighbouring voxels. A change of contrast
    that is one curve for the whole image leaves them nearly proportional, so this asks for edges
    where they were and not for edges as strong; blurring, moving and inventing them costs.

    Parameters
    ----------
    x, y : Tensor, shape (n, c, ...)
        Input and output of a generator.
    mask : Tensor of bool, shape (n, 1, ...), optional
    """
    inside = torch.ones_like(x[:, :1]) if mask is None else mask.to(x.dtype)
    count = inside.flatten(2).sum(2).clamp(min=1)
    parts: list[Tensor] = []
    for image in (x, y):
        edges = _edges(image)
        mean = (edges * inside).flatten(2).sum(2) / count
        parts.append((edges - mean.reshape(*mean.shape, *[1] * (x.ndim - 2))) * inside)
    a, b = (part.flatten(2) for part in parts)
    both = (a.square().sum(2) * b.square().sum(2) + FLAT).sqrt()
    return 1 - ((a * b).sum(2) / both).mean()


def lesion_loss(x: Tensor, y: Tensor, lesion: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean squared change of the lesions' contrast to their surroundings.

    Contrast is the mean in the lesion less the mean in a shell of three voxels around it, divided
    by the image's own standard deviation inside the mask: it is blind to a change of brightness and
    of scale, and sees a lesion fade. Images without a lesion add nothing.

    Parameters
    ----------
    x, y : Tensor, shape (n, c, ...)
        Input and output of a generator.
    lesion : Tensor of bool, shape (n, 1, ...)
    mask : Tensor of bool, shape (n, 1, ...), optional
    """
    inside = torch.ones_like(lesion) if mask is None else mask
    lesion = lesion & inside
    grown = MAX_POOL[x.ndim - 2](lesion.to(x.dtype), 2 * SHELL + 1, stride=1, padding=SHELL) > 0
    shell = grown & inside & ~lesion
    told = lesion.flatten(1).any(1) & shell.flatten(1).any(1)
    change = _contrast(x, lesion, shell, inside) - _contrast(y, lesion, shell, inside)
    return (change.square().mean(1) * told).mean()


def _contrast(image: Tensor, lesion: Tensor, shell: Tensor, inside: Tensor) -> Tensor:
    mean = _mean(image, inside)
    spread = (_mean(image.square(), inside) - mean.square()).clamp(min=FLAT).sqrt()
    return (_mean(image, lesion) - _mean(image, shell)) / spread


def _mean(image: Tensor, where: Tensor) -> Tensor:
    weights = where.to(image.dtype)
    return (image * weights).flatten(2).sum(2) / weights.flatten(2).sum(2).clamp(min=1)


def _edges(image: Tensor) -> Tensor:
    squares = torch.zeros_like(image)
    for axis in range(2, image.ndim):
        step = torch.diff(image, dim=axis, append=image.narrow(axis, image.shape[axis] - 1, 1))
        squares = squares + step.square()
    return (squares + FLAT).sqrt()
