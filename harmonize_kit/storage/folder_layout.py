"""What the layouts of folders have in common: a case in the making, and the columns it shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.errors import TableError

RESERVED = ("id", "image", "mask", "label", "label_channel")
IMAGE_SUFFIX = r"\.nii(?:\.gz)?"


@dataclass(frozen=True)
class FolderCohort:
    """A cohort found in a folder.

    Parameters
    ----------
    cohort : Cohort
    layout : {"BIDS", "BraTS", "DICOM"}
    notes : tuple of str
        What the user must know of how it was read.
    """

    cohort: Cohort
    layout: str
    notes: tuple[str, ...] = ()


@dataclass
class Draft:
    """A case as it is put together; ``columns`` come in the order in which they are set."""

    id: str
    images: dict[str, str] = field(default_factory=dict[str, str])
    mask: str = ""
    columns: dict[str, str] = field(default_factory=dict[str, str])


def cohort_of(drafts: Sequence[Draft], source: str) -> Cohort:
    """Return the cohort of the drafts, every case with every column, empty where it has none."""
    columns = tuple(dict.fromkeys(name for draft in drafts for name in draft.columns))
    cases = tuple(
        Case(
            draft.id,
            MappingProxyType(dict(draft.images)),
            draft.mask,
            # A mask that nobody described: all of its labels are regions.
            None if draft.mask else (),
            columns=MappingProxyType({name: draft.columns.get(name, "") for name in columns}),
        )
        for draft in drafts
    )
    return Cohort(cases, columns, source)


def free_name(name: str) -> str:
    """Return the name of a column, with a ``_`` where it would be taken for another."""
    lowered = name.lower()
    return f"{name}_" if lowered in RESERVED or lowered.startswith("image_") else name


def add_image(draft: Draft, modality: str, path: Path, problems: list[str], advice: str) -> None:
    """Add an image to a case, or the problem that there is one of its modality already."""
    if modality in draft.images:
        both = f"{Path(draft.images[modality]).name} and {path.name}"
        problems.append(f"{draft.id}: two images of {modality}: {both}; {advice}")
    else:
        draft.images[modality] = str(path.absolute())


def require_none(problems: Sequence[str]) -> None:
    """Raise TableError with all problems, if there is one."""
    if problems:
        more = f" ({len(problems)} problems in all)" if len(problems) > 1 else ""
        raise TableError(f"{problems[0]}{more}", problems)


def missing_images(drafts: Sequence[Draft]) -> tuple[str, ...]:
    """Return one sentence for every modality that not every case has."""
    counts: Mapping[str, int] = {
        name: sum(name in draft.images for draft in drafts)
        for name in dict.fromkeys(name for draft in drafts for name in draft.images)
    }
    return tuple(
        f"{len(drafts) - count} of {len(drafts)} cases have no {name or 'image'}"
        for name, count in counts.items()
        if count < len(drafts)
    )
