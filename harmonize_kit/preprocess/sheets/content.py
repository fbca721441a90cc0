"""What a sheet shows of a case, and what the index page shows of a sheet: plain things only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.scans import Scans


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class SheetContent:
    """What is known of one case after preprocessing.

    Parameters
    ----------
    id : str
        Of the case; nothing else on a sheet names the patient.
    before, after : Scans
        As they were read, and as they leave the last stage.
    byproducts : mapping of str to Volume or str
        What stages left beside the images; ``bias_field_<modality>`` (or ``bias_field``) is shown.
    decided : mapping of str to mapping
        What each stage decided, by its name, in the order of the stages.
    notes : tuple of str
        What the user must know of this case.
    flags : tuple of str
        Why somebody should look at it, each a sentence.
    quality : mapping of str to mapping of str to number
        Measures of image quality by modality.
    unstripped : Scans, optional
        As they were given to the skull strip, with the masks it found, or without where those are
        the masks of ``after``: the edge of the mask is judged on these. Without them it is drawn on
        ``before``, where that lies on the grid of the mask.
    reference : Volume, optional
        What the images were registered to (a template, say), in the space of ``after``. Without
        it the other modalities are held against the first that shares their grid.
    reference_name : str
        Its name in words.
    """

    id: str
    before: Scans
    after: Scans
    byproducts: Mapping[str, Volume | str] = field(default_factory=_nothing)
    decided: Mapping[str, Mapping[str, Any]] = field(default_factory=_nothing)
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    quality: Mapping[str, Mapping[str, Any]] = field(default_factory=_nothing)
    unstripped: Scans | None = None
    reference: Volume | None = None
    reference_name: str = "template"


@dataclass(frozen=True)
class IndexEntry:
    """One case on the index page.

    Parameters
    ----------
    id : str
    sheet : str
        Path of its sheet, relative to the index page; empty where there is none.
    thumbnail : str
        A picture of it as a data URI, as :func:`.make_thumbnail` returns; empty for none.
    flags, notes : tuple of str
        Sentences.
    failure : str
        Why the case failed; empty where it did not.
    """

    id: str
    sheet: str = ""
    thumbnail: str = ""
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str = ""

    def to_document(self) -> dict[str, Any]:
        """Return the entry as JSON knows it."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> IndexEntry:
        """Return the entry of :meth:`to_document`, also after a way through JSON."""
        entry = cls(**document)
        return replace(entry, flags=tuple(entry.flags), notes=tuple(entry.notes))
