"""The folder layout of the BraTS challenges: class, patient, ``patient_modality.nii.gz``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harmonize_kit.errors import TableError, did_you_mean
from harmonize_kit.storage.folder_layout import (
    IMAGE_SUFFIX,
    Draft,
    FolderCohort,
    add_image,
    cohort_of,
    missing_images,
    require_none,
)

# Names of the challenges up to 2021, then those since 2023.
MODALITIES = ("t1", "t1ce", "t1gd", "t2", "flair", "t1n", "t1c", "t2w", "t2f")
SEGMENTATION = "seg"


def is_brats(root: Path) -> bool:
    """Tell whether a folder holds patients, or classes of patients, in the layout of BraTS."""
    return next(_patients(root), None) is not None


def cohort_from_brats(root: Path, classes: Sequence[str] = ()) -> FolderCohort:
    """Return the patients of a BraTS folder as a cohort.

    Parameters
    ----------
    root : Path
        Holds a folder a class (HGG, LGG or any name) with a folder a patient in it, or the folders
        of the patients.
    classes : sequence of str
        Those to take, in any case; all by default.

    Returns
    -------
    FolderCohort
        Ids are the names of the patients' folders, modalities as the files name them; ``seg`` is
        the mask; the column ``class`` holds the class where there are classes.

    Raises
    ------
    TableError
        If a class is asked for that is not there, a patient has two files of one modality, or two
        patients share a name.
    """
    found = list(_patients(root))
    named = sorted({group for group, _ in found if group})
    if classes:
        unknown = [c for c in classes if c.lower() not in {name.lower() for name in named}]
        if unknown:
            raise TableError(
                f"{root.name}: there is no class '{unknown[0]}'. {did_you_mean(unknown[0], named)}"
            )
        wanted = {c.lower() for c in classes}
        found = [(group, patient) for group, patient in found if group.lower() in wanted]
    drafts: list[Draft] = []
    problems: list[str] = []
    others = 0
    for group, patient in found:
        draft = Draft(patient.name, columns={"class": group} if named else {})
        others += _add_files(draft, patient, problems)
        if not draft.images:
            problems.append(f"{patient.name}: expected images, got a segmentation alone")
        drafts.append(draft)
    require_none(problems)
    notes = missing_images(drafts)
    if others:
        listed = ", ".join(MODALITIES)
        notes += (f"{others} files of other modalities than {listed} and seg were left out",)
    without = sum(not draft.mask for draft in drafts)
    if 0 < without < len(drafts):
        notes += (f"{without} of {len(drafts)} cases have no segmentation",)
    return FolderCohort(cohort_of(drafts, root.name), "BraTS", notes)


def _patients(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield class (empty for none) and folder of each patient."""
    for folder in _folders(root):
        if any(_files(folder)):
            yield "", folder
        else:
            for patient in _folders(folder):
                if any(_files(patient)):
                    yield folder.name, patient


def _files(patient: Path) -> Iterator[tuple[str, Path]]:
    """Yield modality (as in the name, lower case) and path of the images of a patient's folder."""
    pattern = re.compile(re.escape(patient.name) + r"[_-]([A-Za-z0-9]+)" + IMAGE_SUFFIX)
    for file in sorted(patient.iterdir()):
        match = pattern.fullmatch(file.name)
        if match and file.is_file():
            yield match[1].lower(), file


def _add_files(draft: Draft, patient: Path, problems: list[str]) -> int:
    """Add the files of a patient; return how many are of no known modality."""
    others = 0
    for modality, file in _files(patient):
        if modality == SEGMENTATION:
            if draft.mask:
                problems.append(f"{draft.id}: two segmentations; remove one")
            draft.mask = str(file.absolute())
        elif modality in MODALITIES:
            add_image(draft, modality, file, problems, "remove one")
        else:
            others += 1
    # In the order of the list, whatever that of the names.
    draft.images = {name: draft.images[name] for name in MODALITIES if name in draft.images}
    return others


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
