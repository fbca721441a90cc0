"""A cohort from a folder: a BIDS dataset, a BraTS folder, or a folder of DICOM series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from harmonize_kit.core.cohort import Cohort
from harmonize_kit.errors import TableError
from harmonize_kit.storage.bids_folder import cohort_from_bids, is_bids
from harmonize_kit.storage.brats_folder import cohort_from_brats, is_brats
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.dicom_folder import cohort_from_dicom
from harmonize_kit.storage.dicom_search import holds_dicom
from harmonize_kit.storage.folder_layout import FolderCohort

__all__ = ["FolderCohort", "cohort_from_folder", "write_cohort"]

LAYOUTS: Mapping[str, Callable[[Path], bool]] = {"BIDS": is_bids, "BraTS": is_brats}


def cohort_from_folder(
    path: str | Path,
    *,
    classes: Sequence[str] = (),
    entities: Mapping[str, str] | None = None,
    derivatives: Path | None = None,
    mask: str = "*_mask.nii*",
    modalities: Mapping[str, str] | None = None,
    folder_names: bool = False,
) -> FolderCohort:
    """Return the images in a folder as a cohort, by the layout that the folder has.

    Parameters
    ----------
    path : str or Path
    classes : sequence of str
        BraTS: see :func:`.brats_folder.cohort_from_brats`.
    entities, derivatives, mask
        BIDS: see :func:`.bids_folder.cohort_from_bids`.
    modalities, folder_names
        DICOM: see :func:`.dicom_folder.cohort_from_dicom`.

    Raises
    ------
    TableError
        If the folder is not there, has none of the three layouts or two of them, or an option is
        given that its layout does not know; else as the functions named above.
    """
    root = Path(path)
    layout = layout_of(root)
    given = {
        "BraTS": bool(classes),
        "BIDS": bool(entities or derivatives),
        "DICOM": modalities is not None or folder_names,
    }
    for other, used in given.items():
        if used and other != layout:
            options = {
                "BraTS": "classes",
                "BIDS": "entities and derivatives",
                "DICOM": "modalities and folder names",
            }
            raise TableError(
                f"{root.name} has the layout of {layout}, but {options[other]} belong to {other}"
            )
    if layout == "BIDS":
        return cohort_from_bids(root, entities, derivatives, mask)
    if layout == "BraTS":
        return cohort_from_brats(root, classes)
    return cohort_from_dicom(root, modalities, folder_names=folder_names)


def layout_of(root: Path) -> str:
    """Return BIDS, BraTS or DICOM.

    Raises
    ------
    TableError
        If the folder is not there, or has none of the three layouts or two of them.
    """
    if not root.is_dir():
        raise TableError(f"there is no folder {root}")
    found = [name for name, holds in LAYOUTS.items() if holds(root)]
    if not found and holds_dicom(root):
        return "DICOM"
    if len(found) == 1:
        return found[0]
    if found:
        raise TableError(
            f"{root.name} holds images in the layouts of {' and '.join(found)}; give one of them"
        )
    raise TableError(
        f"{root.name}: expected a BIDS dataset (sub-01/anat/sub-01_T1w.nii.gz), a BraTS folder "
        "(HGG/patient/patient_t1.nii.gz) or DICOM series, got none of them; write a cohort table "
        "with the columns id and Image, or Image_<modality>"
    )


def write_cohort(cohort: Cohort, path: Path) -> None:
    """Write a cohort as a table that :func:`.cohorts.read_cohort` reads back as it was.

    Paths below the folder of the table are written relative to it, so that both may move together.

    Raises
    ------
    TableError
        If the suffix is none of .csv, .tsv and .parquet.
    """
    modalities = list(dict.fromkeys(name for case in cohort for name in case.images))
    base = path.parent.absolute()
    rows: list[dict[str, str]] = []
    for case in cohort:
        row = {"id": case.id}
        for name in modalities:
            column = f"Image_{name}" if name else "Image"
            row[column] = _relative(case.images.get(name, ""), base)
        if any(other.mask for other in cohort):
            row["Mask"] = _relative(case.mask, base)
        if any(other.labels != () for other in cohort):
            row["Label"] = "all" if case.labels is None else ";".join(map(str, case.labels))
        if any(other.label_channel for other in cohort):
            row["Label_channel"] = str(case.label_channel)
        rows.append({**row, **{name: case.columns.get(name, "") for name in cohort.columns}})
    write_text_table(pd.DataFrame(rows, dtype=object), path)


def _relative(file: str, base: Path) -> str:
    path = Path(file)
    return str(path.relative_to(base)) if file and path.is_relative_to(base) else file
