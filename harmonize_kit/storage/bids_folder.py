"""Anatomical images of a dataset in the Brain Imaging Data Structure (BIDS).

References
----------
BIDS specification 1.10: file names, ``participants.tsv``, sidecars and their inheritance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from harmonize_kit.errors import TableError
from harmonize_kit.storage.columns import read_text_table, text_frame
from harmonize_kit.storage.folder_layout import (
    IMAGE_SUFFIX,
    Draft,
    FolderCohort,
    add_image,
    cohort_of,
    free_name,
    missing_images,
    require_none,
)
from harmonize_kit.storage.sidecars import Value, read_sidecar, sidecar_columns

ENTITY = r"[a-z]+-[A-Za-z0-9+]+"
IMAGE = re.compile(rf"(sub-[A-Za-z0-9+]+(?:_{ENTITY})*)_([A-Za-z0-9]+){IMAGE_SUFFIX}")
SIDECAR = re.compile(rf"((?:{ENTITY}_)*)([A-Za-z0-9]+)\.json")
# These are no images to measure, though they stand among them.
MASKS = ("mask", "dseg", "probseg", "defacemask")
IN_NAME = ("sub", "ses")


@dataclass(frozen=True)
class BidsFile:
    """One image: its path, suffix, and the entities of its name in their order."""

    path: Path
    suffix: str
    entities: Mapping[str, str]

    @property
    def modality(self) -> str:
        """The suffix, and whether a contrast agent was given (``T1w_ce``)."""
        return f"{self.suffix}_ce" if "ce" in self.entities else self.suffix


def is_bids(root: Path) -> bool:
    """Tell whether a folder holds ``sub-*/[ses-*/]anat`` with an image."""
    return next(_images(root), None) is not None


def cohort_from_bids(
    root: Path,
    entities: Mapping[str, str] | None = None,
    derivatives: Path | None = None,
    mask: str = "*_mask.nii*",
) -> FolderCohort:
    """Return the anatomical images of a BIDS dataset as a cohort, one row a subject and session.

    Parameters
    ----------
    root : Path
    entities : mapping of str to str, optional
        Where there are several images of one modality: which to take, as ``{"run": "1"}``. An image
        without the entity stays.
    derivatives : Path, optional
        Dataset of the same subjects with masks.
    mask : str
        Which of its anatomical files is the mask, as a pattern of names
        (``*_desc-lesion_mask.nii.gz``, ``*_dseg.nii.gz``).

    Returns
    -------
    FolderCohort
        Ids are ``sub-01`` or ``sub-01_ses-1``, modalities the suffixes (``T1w``); columns are
        ``subject``, ``session``, those of ``participants.tsv``, and what sidecars allow.

    Raises
    ------
    TableError
        If a subject has two images of one modality, or two masks, or ``participants.tsv`` names a
        subject twice or cannot be read.
    """
    wanted = {**(entities or {})}
    drafts: dict[str, Draft] = {}
    files: dict[str, dict[str, BidsFile]] = {}
    problems: list[str] = []
    for file in _images(root):
        if any(file.entities.get(key, value) != value for key, value in wanted.items()):
            continue
        keys = [f"{key}-{file.entities[key]}" for key in IN_NAME if key in file.entities]
        draft = drafts.setdefault("_".join(keys), Draft("_".join(keys)))
        draft.columns |= dict(zip(("subject", "session"), keys, strict=False))
        advice = "choose by an entity of their names (run, acq, ...)"
        add_image(draft, file.modality, file.path, problems, advice)
        files.setdefault(draft.id, {}).setdefault(file.modality, file)
    if not drafts:
        chosen = ", ".join(f"{key}-{value}" for key, value in wanted.items())
        raise TableError(f"{root.name}: no anatomical image has {chosen}")
    require_none(problems)
    notes = missing_images(list(drafts.values()))
    notes += _join_participants(root, list(drafts.values()))
    for name, draft in drafts.items():
        sidecars = {m: _sidecar(root, file) for m, file in files[name].items()}
        if len(sidecars) == 1:
            sidecars = {"": next(iter(sidecars.values()))}
        # What the dataset says of its participants goes before what headers say.
        told = sidecar_columns(sidecars).items()
        draft.columns |= {name: value for name, value in told if name not in draft.columns}
        if derivatives is not None:
            draft.mask = _mask(derivatives, draft, mask, problems)
    require_none(problems)
    if derivatives is not None and (without := sum(not d.mask for d in drafts.values())):
        notes += (f"{without} of {len(drafts)} cases have no mask '{mask}'",)
    return FolderCohort(cohort_of(list(drafts.values()), root.name), "BIDS", notes)


def _images(root: Path) -> Iterator[BidsFile]:
    folders = sorted((*root.glob("sub-*/anat"), *root.glob("sub-*/ses-*/anat")))
    for folder in folders:
        for path in sorted(folder.iterdir()):
            match = IMAGE.fullmatch(path.name)
            if match and match[2] not in MASKS:
                yield BidsFile(path, match[2], _entities(match[1]))


def _entities(text: str) -> dict[str, str]:
    return {
        key: value
        for key, _, value in (part.partition("-") for part in text.split("_"))
        if key and value
    }


def _sidecar(root: Path, file: BidsFile) -> dict[str, Value]:
    """Return the allowed fields of all sidecars that apply, the nearest last."""
    found: dict[str, Value] = {}
    folders = [root]
    for part in file.path.parent.relative_to(root).parts:
        folders.append(folders[-1] / part)
    for folder in folders:
        applicable: list[tuple[int, Path]] = []
        for path in folder.glob(f"*{file.suffix}.json"):
            match = SIDECAR.fullmatch(path.name)
            entities = _entities(match[1]) if match else {"": ""}
            if match and match[2] == file.suffix and entities.items() <= file.entities.items():
                applicable.append((len(entities), path))
        for _, path in sorted(applicable):
            found |= read_sidecar(path)
    return found


def _join_participants(root: Path, drafts: Sequence[Draft]) -> tuple[str, ...]:
    path = root / "participants.tsv"
    if not path.is_file():
        return ("there is no participants.tsv, so cases come without age, sex and the like",)
    table = read_text_table(path)
    names = cast(list[str], table.column_names)
    if "participant_id" not in names:
        raise TableError(f"{path.name}: expected a column 'participant_id', got {', '.join(names)}")
    rows: dict[str, dict[str, str]] = {}
    for row in cast(list[dict[str, str]], text_frame(table, names).to_dict("records")):
        subject = row.pop("participant_id")
        subject = subject if subject.startswith("sub-") else f"sub-{subject}"
        if subject in rows:
            raise TableError(f"{path.name}: '{subject}' stands in two rows; remove one")
        rows[subject] = {free_name(name): value for name, value in row.items()}
    absent = [draft.id for draft in drafts if draft.columns["subject"] not in rows]
    for draft in drafts:
        draft.columns |= {
            name: value
            for name, value in rows.get(draft.columns["subject"], {}).items()
            if name not in draft.columns
        }
    if absent:
        return (f"{len(absent)} cases are not in participants.tsv, {absent[0]} first",)
    return ()


def _mask(derivatives: Path, draft: Draft, pattern: str, problems: list[str]) -> str:
    folder = derivatives / draft.columns["subject"] / draft.columns.get("session", "") / "anat"
    found = [path for path in sorted(folder.glob(pattern)) if path.name.startswith(draft.id)]
    if len(found) > 1:
        listed = ", ".join(path.name for path in found[:4])
        problems.append(f"{draft.id}: {len(found)} masks: {listed}; choose by a narrower pattern")
    return str(found[0].absolute()) if len(found) == 1 else ""
