"""Pictures of what networks make as they are trained, always of the same slices, or patches.

Each row shows one modality of one slice: as it is, as the mean generator makes it, the change (blue
is darker, red brighter), and back again. Of a patch it is the plane of that slice. Grey runs over
the 1st to the 99th percentile of the slice as it is, and full colour stands for a change of half
that range, so pictures of one training can be held against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from harmonize_kit.storage.whole import whole_file
from harmonize_kit.translation.cyclegan import Batch, CycleGAN
from harmonize_kit.translation.degradation import degradation_of
from harmonize_kit.translation.parts import patch_part, slice_part
from harmonize_kit.translation.places import places_on
from harmonize_kit.translation.store import INSIDE, LESION, SliceStore, StoredCase

Sample = tuple[StoredCase, int]
Slice = NDArray[np.float64]
HEADING, GAP = 14, 4
# Pictures of small slices are enlarged until their headings can be read.
SMALLEST = 96


def choose_samples(store: SliceStore, sites: Sequence[str], count: int) -> list[Sample]:
    """Return ``count`` slices, of all sites in turn and of as many cases as there are.

    Of a case it is the one with the largest lesion, or else with the largest brain.
    """
    cases = {site: [case for case in store.cases if case.site == site] for site in sites}
    most = min(count, sum(len(own) for own in cases.values()))
    chosen: list[Sample] = []
    turn = 0
    while len(chosen) < most:
        for own in cases.values():
            if turn < len(own) and len(chosen) < most:
                chosen.append((own[turn], _telling_slice(store, own[turn])))
        turn += 1
    return chosen


def draw_samples(
    path: Path,
    networks: CycleGAN,
    generators: nn.ModuleList,
    store: SliceStore,
    count: int,
    crop: int | None = None,
) -> None:
    """Draw what ``generators``, forwards and backwards, make of slices of the other sites.

    Networks of three dimensions are shown patches of ``crop`` voxels a side about those slices.

    Parameters
    ----------
    path : Path
        Of the PNG file.
    networks : CycleGAN
        Which says how its generators, of which ``generators`` are the mean, are told things.
    generators : ModuleList
        The forward generator, and the list of those that lead back.
    store : SliceStore
    count : int
        How many slices.
    crop : int, optional
        Voxels a side of a patch, where networks take patches.
    """
    there, backwards = generators.train(False)
    rows: list[NDArray[np.uint8]] = []
    headings: list[str] = []
    for case, number in choose_samples(store, networks.others, count):
        back = cast(nn.ModuleList, backwards)[networks.others.index(case.site)]
        batch, plane = _shown(store, case, number, networks, crop)
        batch = _on(batch, next(there.parameters()).device)
        with torch.no_grad():
            made = networks.make(there, batch.images, batch)
            again = networks.make(back, networks.seen_again(made), batch)
            degradation = degradation_of(back)
            if degradation is not None:
                again = degradation.blurred(again, batch.mask)
        mask = _array(batch.mask, plane)[0] > 0
        own = networks.middle(batch.images)
        shown = (_array(images, plane) for images in (own, made, again))
        for before, after, back_again in zip(*shown, strict=True):
            rows.append(_row(before, after, back_again, mask))
        headings += [f"{case.site} | as {networks.reference} | change | back"]
        headings += [""] * (own.shape[1] - 1)
    with whole_file(path) as temporary:
        _sheet(rows, headings).save(temporary)


def _telling_slice(store: SliceStore, case: StoredCase) -> int:
    regions = store.masks[case.first : case.first + case.count]
    return int(np.argmax((regions >= (LESION if case.lesion_voxels else INSIDE)).sum((1, 2))))


def _shown(
    store: SliceStore, case: StoredCase, number: int, networks: CycleGAN, crop: int | None
) -> tuple[Batch, int | None]:
    """Return a slice, or the patch about it and which of its planes it is, not mirrored."""
    middle = (0.5, 0.5)
    if networks.dimensions == 3 and crop is not None:
        part = patch_part(store, case, number, crop, middle, mirrored=False)
        images, regions = part.read(store, None)
        told, plane = places_on(part.places()), number - part.spans[0].start
    else:
        part = slice_part(store, case, number, None, middle, mirrored=False)
        images, regions = part.read(store, networks.slices // 2)
        told, plane = places_on(part.places())[:, 0], None
    return Batch(
        torch.as_tensor(images[None].astype(np.float32)),
        torch.as_tensor(regions[None] >= INSIDE),
        None,
        torch.as_tensor(told[None]) if networks.wants_places else None,
    ), plane


def _on(batch: Batch, device: torch.device) -> Batch:
    places = None if batch.places is None else batch.places.to(device)
    return Batch(batch.images.to(device), batch.mask.to(device), None, places)


def _array(images: Tensor, plane: int | None) -> Slice:
    """Return the one image of a batch, shape (c, y, x): of a patch, one plane of it."""
    own = images[0] if plane is None else images[0, :, plane]
    return own.detach().double().cpu().numpy()


def _row(before: Slice, after: Slice, again: Slice, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return four pictures side by side, shape (y, 4 x + gaps, 3)."""
    shown = before[mask] if mask.any() else before.ravel()
    low, high = np.percentile(shown, (1, 99))
    width = max(float(high - low), 1e-6)
    change = np.clip((after - before) / (width / 2), -1, 1) * mask
    # White where nothing changes, blue where it gets darker, red where brighter.
    coloured = 1 - np.stack([np.clip(-change, 0, 1), np.abs(change), np.clip(change, 0, 1)], -1)
    greys = [
        np.repeat(np.where(mask, np.clip((one - low) / width, 0, 1), 0)[..., None], 3, axis=-1)
        for one in (before, after, again)
    ]
    gap = np.ones((len(before), GAP, 3))
    parts = [greys[0], gap, greys[1], gap, coloured, gap, greys[2]]
    return np.round(255 * np.concatenate(parts, axis=1)).astype(np.uint8)


def _sheet(rows: Sequence[NDArray[np.uint8]], headings: Sequence[str]) -> Image.Image:
    times = max(1, -(-SMALLEST // len(rows[0])))
    heights = [
        times * len(row) + (HEADING if text else GAP)
        for row, text in zip(rows, headings, strict=True)
    ]
    sheet = Image.new("RGB", (times * rows[0].shape[1], sum(heights)), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for row, text, height in zip(rows, headings, heights, strict=True):
        picture = Image.fromarray(row)
        picture = picture.resize((times * picture.width, times * picture.height), 0)
        # The one font that is always there knows no other letters.
        draw.text((GAP, top), text.encode("ascii", "replace").decode(), fill="black")
        sheet.paste(picture, (0, top + height - picture.height))
        top += height
    return sheet
