"""Pictures of what networks make as they are trained, always of the same slices.

Each row shows one modality of one slice: as it is, as the mean generator makes it, the change (blue
is darker, red brighter), and back again. Grey runs over the 1st to the 99th percentile of the slice
as it is, and full colour stands for a change of half that range, so pictures of one training can be
held against each other.
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
from harmonize_kit.translation.places import places_along, places_on
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
    path: Path, networks: CycleGAN, generators: nn.ModuleList, store: SliceStore, count: int
) -> None:
    """Draw what ``generators``, forwards and backwards, make of slices of the other sites.

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
    """
    there, backwards = generators.train(False)
    rows: list[NDArray[np.uint8]] = []
    headings: list[str] = []
    for case, number in choose_samples(store, networks.others, count):
        back = cast(nn.ModuleList, backwards)[networks.others.index(case.site)]
        batch = _whole(store, case, number, networks, next(there.parameters()).device)
        with torch.no_grad():
            made = networks.make(there, batch.images, batch)
            again = networks.make(back, networks.seen_again(made), batch)
        mask = _array(batch.mask)[0] > 0
        own = networks.middle(batch.images)
        for before, after, back_again in zip(*map(_array, (own, made, again)), strict=True):
            rows.append(_row(before, after, back_again, mask))
        headings += [f"{case.site} | as {networks.reference} | change | back"]
        headings += [""] * (own.shape[1] - 1)
    with whole_file(path) as temporary:
        _sheet(rows, headings).save(temporary)


def _telling_slice(store: SliceStore, case: StoredCase) -> int:
    regions = store.masks[case.first : case.first + case.count]
    return int(np.argmax((regions >= (LESION if case.lesion_voxels else INSIDE)).sum((1, 2))))


def _whole(
    store: SliceStore, case: StoredCase, number: int, networks: CycleGAN, device: torch.device
) -> Batch:
    """Return one slice as a batch, neither cropped nor mirrored."""
    seen = store.seen(case, number, networks.slices // 2).astype(np.float32)
    inside = store.masks[case.first + number] >= INSIDE
    places = None
    if networks.wants_places:
        spans = ((number, number + 1), *((0, length) for length in inside.shape))
        along = [places_along(case.box, axis, *span) for axis, span in enumerate(spans)]
        places = torch.as_tensor(places_on(along)[None, :, 0], device=device)
    return Batch(
        torch.as_tensor(seen[None], device=device),
        torch.as_tensor(inside[None, None], device=device),
        None,
        places,
    )


def _array(images: Tensor) -> Slice:
    return images[0].detach().double().cpu().numpy()


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
