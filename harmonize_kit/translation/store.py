"""Slices to train on, in memory-mapped files: half a float a voxel, read where they are needed.

A store is a folder: ``images.f16``, shape (n, c, y, x) in 16-bit floats; ``masks.u1``, shape
(n, y, x), 1 inside the head and 2 in a lesion; ``store.json``, which says the shapes, whose slices
they are, and the digests. Slices of a case follow each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.digest import digest_file
from harmonize_kit.errors import ConfigError, ImageError, IntegrityError
from harmonize_kit.storage.whole import whole_folder
from harmonize_kit.translation.places import Box, head_box

SCHEMA = "harmonize-kit/slices/2"
INSIDE, LESION = 1, 2
IMAGES, MASKS, DOCUMENT = "images.f16", "masks.u1", "store.json"
LARGEST = float(np.finfo(np.float16).max)
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class SlicedCase:
    """One case on its way into a store.

    Parameters
    ----------
    id, site : str
    covariates : mapping of str to float or str
        What batches are matched on.
    images : ndarray, shape (z, c, y, x)
        Normalised intensities, 0 outside of the mask.
    mask : ndarray of bool, shape (z, y, x)
    lesion : ndarray of bool, shape (z, y, x), optional
    spacing : tuple of float, optional
        Sides of a voxel in mm, (x, y, z).
    """

    id: str
    site: str
    covariates: Mapping[str, float | str]
    images: NDArray[Any]
    mask: NDArray[np.bool_]
    lesion: NDArray[np.bool_] | None = None
    spacing: Spacing | None = None


@dataclass(frozen=True)
class StoredCase:
    """A case of a store: whose slices ``first`` to ``first + count`` are.

    ``box`` is the head's bounding box among its slices, as they are stored (:mod:`.places`).
    """

    id: str
    site: str
    covariates: Mapping[str, float | str]
    first: int
    count: int
    lesion_voxels: int
    box: Box
    spacing: Spacing | None = None


@dataclass(frozen=True)
class SliceStore:
    """Slices on disk.

    Parameters
    ----------
    cases : tuple of StoredCase
    images : ndarray of float16, shape (n, c, y, x)
    masks : ndarray of uint8, shape (n, y, x)
    digest : str
        Of all that is in it.
    """

    cases: tuple[StoredCase, ...]
    images: NDArray[np.float16]
    masks: NDArray[np.uint8]
    digest: str

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites, in the order of the alphabet."""
        return tuple(sorted({case.site for case in self.cases}))

    def seen(self, case: StoredCase, number: int, neighbours: int) -> NDArray[np.float16]:
        """Return slice ``number`` of a case with its neighbours, shape (slices * c, y, x).

        At the ends of a volume the last slice stands for those beyond it.
        """
        wanted = np.arange(number - neighbours, number + neighbours + 1)
        rows = case.first + np.clip(wanted, 0, case.count - 1)
        found = self.images[rows]
        return found.reshape(-1, *found.shape[2:])


def write_store(folder: Path, cases: Iterable[SlicedCase], size: tuple[int, int]) -> None:
    """Write a store as a whole folder, one case after the other.

    Parameters
    ----------
    folder : Path
    cases : iterable of SlicedCase
    size : tuple of int
        Voxels along y and x of all slices; smaller ones are padded around.

    Raises
    ------
    ImageError
        If a case is larger than ``size``, not finite, or beyond what 16 bits hold.
    ConfigError
        If there is no case, or cases differ in their modalities.
    """
    with whole_folder(folder) as beside:
        listed: list[dict[str, Any]] = []
        digests = {IMAGES: hashlib.sha256(), MASKS: hashlib.sha256()}
        first, channels = 0, 0
        with (beside / IMAGES).open("wb") as images, (beside / MASKS).open("wb") as masks:
            for case in cases:
                if listed and case.images.shape[1] != channels:
                    raise ConfigError(
                        f"case {case.id}: expected {channels} modalities as the cases before, got "
                        f"{case.images.shape[1]}"
                    )
                channels, count = case.images.shape[1], len(case.images)
                for file, name, array in (
                    (images, IMAGES, _intensities(case)),
                    (masks, MASKS, _regions(case)),
                ):
                    stored = _padded(array, size, case.id).tobytes()
                    digests[name].update(stored)
                    file.write(stored)
                lesion = 0 if case.lesion is None else int(case.lesion.sum())
                listed.append({
                    "id": case.id, "site": case.site, "covariates": dict(case.covariates),
                    "first": first, "count": count, "lesion_voxels": lesion,
                    "box": _box(case.mask, size), "spacing": case.spacing,
                })  # fmt: skip
                first += count
        if not listed:
            raise ConfigError("expected at least one case to train on, got none")
        document = {
            "schema": SCHEMA,
            "shape": [first, channels, *size],
            "cases": listed,
            "sha256": {name: digest.hexdigest() for name, digest in digests.items()},
        }
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        (beside / DOCUMENT).write_text(text, encoding="utf-8")


def open_store(folder: Path) -> SliceStore:
    """Open a store; its voxels are read when they are asked for.

    Raises
    ------
    ConfigError
        If there is no store.
    IntegrityError
        If it is of another version, or its files are not as long as it says.
    """
    if not (folder / DOCUMENT).is_file():
        raise ConfigError(f"there are no slices at {folder} (no {DOCUMENT} in it)")
    text = (folder / DOCUMENT).read_text(encoding="utf-8")
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise IntegrityError(f"{folder}: expected {SCHEMA}, got {document['schema']}")
        n, c, y, x = document["shape"]
        listed: list[dict[str, Any]] = document["cases"]
        for case in listed:
            z0, z1, y0, y1, x0, x1 = case["box"]
            case["box"] = (z0, z1, y0, y1, x0, x1)
            if case.get("spacing") is not None:
                dx, dy, dz = case["spacing"]
                case["spacing"] = (dx, dy, dz)
        cases = tuple(StoredCase(**case) for case in listed)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{folder}: {DOCUMENT} is damaged ({error})") from error
    for name, length in ((IMAGES, 2 * n * c * y * x), (MASKS, n * y * x)):
        if (folder / name).stat().st_size != length:
            raise IntegrityError(f"{folder}: {name} is not as long as {DOCUMENT} says; make anew")
    images = np.memmap(folder / IMAGES, np.float16, "r", shape=(n, c, y, x))
    masks = np.memmap(folder / MASKS, np.uint8, "r", shape=(n, y, x))
    return SliceStore(cases, images, masks, hashlib.sha256(text.encode()).hexdigest())


def is_as_written(folder: Path) -> bool:
    """Tell whether there is a store, of this version, whose every voxel is as it was written."""
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        return document["schema"] == SCHEMA and all(
            digest_file(folder / name) == document["sha256"][name] for name in (IMAGES, MASKS)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _intensities(case: SlicedCase) -> NDArray[np.float16]:
    inside = np.where(case.mask[:, None], case.images, 0)
    if not np.isfinite(inside).all() or np.abs(inside).max(initial=0) > LARGEST:
        raise ImageError(
            "NONFINITE",
            f"case {case.id}: expected finite intensities within {LARGEST:.0f}, as normalised "
            "images have; normalise them first",
        )
    return inside.astype(np.float16)


def _regions(case: SlicedCase) -> NDArray[np.uint8]:
    regions = case.mask.astype(np.uint8) * INSIDE
    if case.lesion is not None:
        regions[case.lesion & case.mask] = LESION
    return regions


def _box(mask: NDArray[np.bool_], size: tuple[int, int]) -> Box:
    z0, z1, y0, y1, x0, x1 = head_box(mask)
    above, left = ((wanted - got) // 2 for wanted, got in zip(size, mask.shape[1:], strict=True))
    return z0, z1, y0 + above, y1 + above, x0 + left, x1 + left


def _padded(array: NDArray[Any], size: tuple[int, int], case_id: str) -> NDArray[Any]:
    missing = [wanted - got for wanted, got in zip(size, array.shape[-2:], strict=True)]
    if min(missing) < 0:
        raise ImageError(
            "TOO_LARGE",
            f"case {case_id}: expected slices of at most {size[0]} x {size[1]} voxels, got "
            f"{array.shape[-2]} x {array.shape[-1]}",
        )
    around = [(0, 0)] * (array.ndim - 2) + [(gap // 2, gap - gap // 2) for gap in missing]
    return np.pad(array, around)
