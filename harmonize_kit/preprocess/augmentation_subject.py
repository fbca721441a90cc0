"""Scans as torchio takes them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.preprocess.scans import Scans


@dataclass(frozen=True)
class Subject:
    """Scans with the scale on which their intensities are varied.

    Inside its mask an image runs from 0 to 1 while it is varied, since an exponent and a shading
    mean something only on such a scale.

    Parameters
    ----------
    scans : Scans
    keys : mapping of str to str
        What torchio calls each modality.
    low, high : mapping of str to float
        Intensities that stand for 0 and 1.
    spreads : mapping of str to float
        Standard deviation inside the mask on that scale.
    """

    scans: Scans
    keys: Mapping[str, str]
    low: Mapping[str, float]
    high: Mapping[str, float]
    spreads: Mapping[str, float]

    def to_torchio(self, tio: Any) -> Any:
        """Return torchio's subject; masks and labels are label maps."""
        images: dict[str, Any] = {}
        for name, volume in self.scans.images.items():
            key, low, high = self.keys[name], self.low[name], self.high[name]
            scaled = (volume.array.astype(np.float32) - low) / (high - low)
            affine = _affine(volume.geometry)
            images[key] = tio.ScalarImage(tensor=_tensor(scaled, np.float32), affine=affine)
            if volume.mask is not None:
                mask = _tensor(volume.mask, np.int32)
                images[f"{key}_mask"] = tio.LabelMap(tensor=mask, affine=affine)
        if self.scans.labels is not None:
            labels = self.scans.labels
            images["labels"] = tio.LabelMap(
                tensor=_tensor(labels.array, np.int32), affine=_affine(labels.geometry)
            )
        return tio.Subject(images)

    def to_scans(self, moved: Any) -> Scans:
        """Return the scans of a subject that was varied, on the scale they came on."""
        images = {name: self._volume(name, moved) for name in self.scans.images}
        labels = self.scans.labels
        if labels is not None:
            drawn = _array(moved["labels"]).astype(labels.array.dtype)
            labels = Volume(drawn, labels.geometry)
        return Scans(images, labels, self.scans.drawn_on)

    def _volume(self, name: str, moved: Any) -> Volume:
        before, key = self.scans.images[name], self.keys[name]
        low, high = self.low[name], self.high[name]
        array = (_array(moved[key]) * (high - low) + low).astype(np.float32)
        if before.mask is None:
            return Volume(array, before.geometry)
        mask = _array(moved[f"{key}_mask"]).astype(before.mask.dtype)
        beyond = before.array[before.mask == 0]
        if beyond.size and (beyond == beyond[0]).all():
            array[mask == 0] = beyond[0]
        return Volume(array, before.geometry, mask)


def to_subject(scans: Scans) -> Subject:
    """Return scans with the range of each image inside its mask, or of all of it."""
    keys: dict[str, str] = {}
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    spreads: dict[str, float] = {}
    for place, (name, volume) in enumerate(scans.images.items()):
        inside = volume.mask != 0 if volume.mask is not None and volume.mask.any() else ...
        values = volume.array[inside].astype(np.float64)
        low, high = float(values.min()), float(values.max())
        high = high if high > low else low + 1.0
        keys[name], lows[name], highs[name] = f"image_{place}", low, high
        spreads[name] = float(values.std()) / (high - low)
    return Subject(scans, keys, lows, highs, spreads)


def _tensor(array: NDArray[Any], kind: Any) -> NDArray[Any]:
    """Return an array (z, y, x) as torchio has it: (1, x, y, z)."""
    return np.ascontiguousarray(array.transpose(2, 1, 0)[None], dtype=kind)


def _array(image: Any) -> NDArray[Any]:
    found: NDArray[Any] = image.data[0].numpy()
    return np.ascontiguousarray(found.transpose(2, 1, 0))


def _affine(geometry: Geometry) -> NDArray[np.float64]:
    """Return the matrix from voxels to RAS mm, NIfTI's convention."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(geometry.direction).reshape(3, 3) * np.array(geometry.spacing)
    matrix[:3, 3] = geometry.origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix
