"""What a stage made of a case, kept whole on disk and found again to the bit.

An array that a stage passed on untouched is not written again: the record of the stage names the
stage, or the input, that it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.storage.kept_arrays import ArrayStore
from harmonize_kit.storage.results import ResultStore

INPUT = "input"
RECORDS = "stages"
Reference = tuple[str, str]
Arrays = dict[Reference, NDArray[Any]]


@dataclass(frozen=True)
class KeptStages:
    """The outcomes of stages: small records in one folder, their arrays in another.

    Parameters
    ----------
    records : ResultStore
        What was decided, and where the arrays are; stays when the arrays are cleaned away.
    arrays : ArrayStore
    """

    records: ResultStore
    arrays: ArrayStore

    @classmethod
    def at(cls, folder: Path, work: Path) -> KeptStages:
        """Return the store of an output folder, whose arrays are in ``work``."""
        return cls(ResultStore(folder / RECORDS), ArrayStore(work))

    def find(self, key: str) -> dict[str, Any] | None:
        """Return the record of a stage whose arrays are there too, or None."""
        record = self.records.read(key)
        return record if record is not None and self.arrays.has(key, record["bytes"]) else None

    def write(self, key: str, staged: Staged, known: Arrays, **more: Any) -> dict[str, Any]:
        """Keep what a stage made.

        ``known`` are the arrays that are there; afterwards, those that its scans consist of.
        """
        own: dict[str, NDArray[Any]] = {}

        def place(array: NDArray[Any], name: str) -> Reference:
            for reference, other in known.items():
                if other is array:
                    return reference
            own[name] = array
            known[key, name] = array
            return key, name

        record: dict[str, Any] = {
            **more,
            "decided": dict(staged.decided),
            "notes": list(staged.notes),
            "scans": _describe(staged.scans, place),
            "byproducts": {
                name: value
                if isinstance(value, str)
                else _describe_volume(value, f"byproduct {name}", place)
                for name, value in staged.byproducts.items()
            },
        }
        record["bytes"] = self.arrays.write(key, own)
        self.records.write(key, record)
        used = set(_references(record["scans"]))
        for reference in known.keys() - used:
            del known[reference]
        return record

    def read(self, record: Mapping[str, Any], inputs: Callable[[], Scans]) -> tuple[Scans, Arrays]:
        """Return the scans of a record, and the arrays they consist of.

        ``inputs`` reads the case as it came; it is asked where something of it is still in use.
        """
        wanted: dict[str, list[str]] = {}
        for key, name in _references(record["scans"]):
            wanted.setdefault(key, []).append(name)
        found: Arrays = arrays_of(inputs()) if wanted.pop(INPUT, None) else {}
        for key, names in wanted.items():
            stored = self.arrays.read(key, set(names))
            found |= {(key, name): array for name, array in stored.items()}
        return _scans_of(record["scans"], found), found

    def byproducts(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Volume | str]:
        """Return what several stages left beside the images, the later one's where both did."""
        found: dict[str, Volume | str] = {}
        for record in records:
            for name, value in record["byproducts"].items():
                if isinstance(value, str):
                    found[name] = value
                    continue
                key, member = value["array"]
                array = self.arrays.read(key, (member,))[member]
                found[name] = Volume(array, _geometry(value["geometry"]))
        return found


def arrays_of(scans: Scans) -> Arrays:
    """Return the arrays of a case as it came, by the place a record refers to."""
    found: Arrays = {}

    def place(array: NDArray[Any], name: str) -> Reference:
        found[INPUT, name] = array
        return INPUT, name

    _describe(scans, place)
    return found


def untouched_labels(record: Mapping[str, Any]) -> bool:
    """Tell whether the labels of a record are still those of the input."""
    labels = record["scans"]["labels"]
    return labels is not None and labels["array"][0] == INPUT


def _describe(scans: Scans, place: Callable[[NDArray[Any], str], Reference]) -> dict[str, Any]:
    return {
        "images": {
            modality: _describe_volume(volume, f"image {modality}", place)
            for modality, volume in scans.images.items()
        },
        "labels": None if scans.labels is None else _describe_volume(scans.labels, "labels", place),
        "drawn_on": scans.drawn_on,
    }


def _describe_volume(
    volume: Volume, name: str, place: Callable[[NDArray[Any], str], Reference]
) -> dict[str, Any]:
    return {
        "array": place(volume.array, name),
        "mask": None if volume.mask is None else place(volume.mask, f"{name} mask"),
        "geometry": asdict(volume.geometry),
    }


def _references(scans: Mapping[str, Any]) -> list[Reference]:
    volumes = [*scans["images"].values(), *([scans["labels"]] if scans["labels"] else [])]
    listed = [volume[part] for volume in volumes for part in ("array", "mask") if volume[part]]
    return [(key, name) for key, name in listed]


def _scans_of(document: Mapping[str, Any], arrays: Arrays) -> Scans:
    def volume_of(part: Mapping[str, Any]) -> Volume:
        mask = None if part["mask"] is None else arrays[tuple(part["mask"])]
        return Volume(arrays[tuple(part["array"])], _geometry(part["geometry"]), mask)

    images = {modality: volume_of(part) for modality, part in document["images"].items()}
    labels = None if document["labels"] is None else volume_of(document["labels"])
    return Scans(images, labels, document["drawn_on"])


def _geometry(document: Mapping[str, Any]) -> Geometry:
    size, spacing, origin = (tuple(document[name]) for name in ("size", "spacing", "origin"))
    return Geometry(size, spacing, origin, tuple(document["direction"]))
