"""The scans of one case as they go from stage to stage, and what a stage says it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from harmonize_kit.core.volume import Volume

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Scans:
    """The images of one case, by modality, with what travels along.

    Parameters
    ----------
    images : mapping of str to Volume
        By modality; one unnamed modality has the key ``""``. The ``mask`` of a volume is its
        foreground (1 in the brain or the body, 0 outside), or None before it is known.
    labels : Volume, optional
        Regions of interest drawn on one of the images (a lesion, say): the array holds integer
        labels, 0 outside. Nothing but a change of grid may touch them, by nearest neighbour.
    drawn_on : str
        Modality on whose image the labels were drawn, and with which they move.
    """

    images: Mapping[str, Volume]
    labels: Volume | None = None
    drawn_on: str = ""

    def map_images(self, function: Callable[[str, Volume], Volume]) -> Scans:
        """Return scans whose images are ``function(modality, volume)``."""
        return replace(self, images={name: function(name, v) for name, v in self.images.items()})


@dataclass(frozen=True)
class Staged:
    """What a stage made of the scans of a case.

    Parameters
    ----------
    scans : Scans
        As they are after the stage.
    decided : mapping of str to plain values
        What the stage decided and found, as JSON knows it: the record of the run.
    notes : tuple of str
        What the user must know of this case, each a sentence.
    byproducts : mapping of str to Volume or str
        What may be kept beside the images, by a name without suffix (``bias_field_t1``): a volume,
        or the text of a file (a transform).
    """

    scans: Scans
    decided: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    notes: tuple[str, ...] = ()
    byproducts: Mapping[str, Volume | str] = field(default_factory=lambda: MappingProxyType({}))
