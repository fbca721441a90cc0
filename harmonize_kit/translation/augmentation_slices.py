"""Slices moved on their device, a whole batch at once: turned, scaled, shifted and bent.

Nothing here waits for the device: what is to be done came with the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harmonize_kit.translation.augmentation import CONTROL_POINTS, Variation
from harmonize_kit.translation.store import INSIDE

# Where the nearest voxel is inside, those inside weigh a quarter at least.
LEAST_WEIGHT = 0.25


def move_slices(
    images: Tensor,
    regions: Tensor,
    along: Sequence[Tensor],
    variation: Variation,
    size: tuple[int, int],
    own: slice,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return what a batch shows when its heads have moved.

    Between voxels images are interpolated linearly, over voxels inside of the mask alone, so that
    nothing fades at its edge; regions are those of the nearest voxel. Outside of the mask the
    slice that is changed stays exactly 0. Slices that do not move stay bit by bit what they are.

    Parameters
    ----------
    images : Tensor, shape (n, k, height, width)
        Of the region around what is to be shown, which lies in its middle.
    regions : Tensor, shape (n, 1, height, width)
    along : three Tensors, shape (n, length), or none
        Their places along z, y and x.
    variation : Variation
    size : two int
        Voxels along y and x to be shown.
    own : slice
        Channels of the slice that ``regions`` are of.

    Returns
    -------
    images, regions, places : Tensor
        Of shapes (n, k, y, x), (n, 1, y, x), and (n, 3, y, x) or None.
    """
    (height, width), (rows, columns) = images.shape[2:], size
    y, x = _sampled(variation, size)
    # (n, y, x, 2), x first, from -1 to 1 over the outer edges of the voxels.
    grid = torch.stack([2 * x / width, 2 * y / height], dim=-1)
    inside = (regions >= INSIDE).to(images.dtype)
    sampled = _sample(torch.cat([images, inside], dim=1), grid, "bilinear")
    moved, weight = sampled[:, :-1], sampled[:, -1:]
    near = _sample(regions.to(images.dtype), grid, "nearest")
    middle = (moved[:, own] / weight.clamp(min=LEAST_WEIGHT)).masked_fill(near < INSIDE, 0)
    moved = torch.cat([moved[:, : own.start], middle, moved[:, own.stop :]], dim=1)

    top, left = (height - rows) // 2, (width - columns) // 2
    still = (slice(top, top + rows), slice(left, left + columns))
    chosen = variation.moved.reshape(-1, 1, 1, 1)
    return (
        torch.where(chosen, moved, images[..., *still]),
        torch.where(chosen, near, regions[..., *still].to(images.dtype)),
        _places(along, (y, x), still, chosen) if along else None,
    )


def _places(
    along: Sequence[Tensor], at: tuple[Tensor, Tensor], still: tuple[slice, slice], chosen: Tensor
) -> Tensor:
    """Return the places of what is shown: those ``at`` which it was taken, or as they were."""
    z, *others = along
    z = z[:, :1, None].expand_as(at[0])
    moved = [z, *map(_on_line, others, at)]
    y, x = (line[:, own] for line, own in zip(others, still, strict=True))
    unmoved = [z, y[:, :, None].expand_as(z), x[:, None].expand_as(z)]
    return torch.where(chosen, torch.stack(moved, dim=1), torch.stack(unmoved, dim=1))


def _sampled(variation: Variation, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return where each voxel shown is taken from, in voxels from the middle, shape (n, y, x)."""
    device = variation.degrees.device
    lines = [torch.arange(length, device=device) - (length - 1) / 2 for length in size]
    bases = [_spline_basis(length, device) for length in size]
    bent = torch.einsum("nahw,yh,xw->nayx", variation.bends, *bases)
    y = lines[0][:, None] + size[0] * bent[:, 0]
    x = lines[1] + size[1] * bent[:, 1]
    sy, sx = (variation.scales[:, axis, None, None] for axis in (1, 2))
    ty, tx = (variation.shifts[:, axis, None, None] for axis in (1, 2))
    angle = torch.deg2rad(variation.degrees[:, :1, None])
    y, x = y / sy, x / sx
    return (
        angle.cos() * y - angle.sin() * x - size[0] * ty,
        angle.sin() * y + angle.cos() * x - size[1] * tx,
    )


def _spline_basis(length: int, device: torch.device) -> Tensor:
    """Return the weights of a uniform cubic B-spline's control points, shape (length, points)."""
    at = (torch.arange(length, device=device) + 0.5) / length * (CONTROL_POINTS - 3)
    # Control points lie at -1, 0, 1 ... ; each reaches two on either side.
    away = (at[:, None] - (torch.arange(CONTROL_POINTS, device=device) - 1)).abs()
    near = 2 / 3 - away**2 + away**3 / 2
    return torch.where(away < 1, near, (2 - away).clamp(min=0) ** 3 / 6)


def _sample(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    return nn.functional.grid_sample(values, grid, mode=mode, align_corners=False)


def _on_line(line: Tensor, at: Tensor) -> Tensor:
    """Return an evenly spaced line (n, length) at places from its middle, and beyond its ends."""
    first, last = line[:, :1, None], line[:, -1:, None]
    return (first + last) / 2 + (last - first) / (line.shape[1] - 1) * at
