"""A folder of DICOM series as a cohort whose ids say nothing of the patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from harmonize_kit.errors import TableError
from harmonize_kit.storage.dicom_references import MaskSearch, find_masks
from harmonize_kit.storage.dicom_search import FoundSeries, find_series
from harmonize_kit.storage.dicom_volumes import series_fields
from harmonize_kit.storage.folder_layout import (
    Draft,
    FolderCohort,
    cohort_of,
    missing_images,
    require_none,
)
from harmonize_kit.storage.sidecars import Value, sidecar_columns

Visits = dict[tuple[str, str], list[FoundSeries]]


def cohort_from_dicom(
    root: Path, modalities: Mapping[str, str] | None = None, *, folder_names: bool = False
) -> FolderCohort:
    """Return the DICOM series below a folder as a cohort.

    Series of one patient are told by the header, and patients are numbered in the order of their
    folders (``sub-001``); nothing that identifies them is taken over. The paths of the images
    remain, as the one way back.

    Parameters
    ----------
    root : Path
    modalities : mapping of str to str, optional
        Patterns by modality, as ``{"t1": "*t1*mprage*", "flair": "*flair*"}``, matched with what a
        series is called in its header, and with the name of its folder, in any case. Then a row is
        a patient and study. Without, a row is a series.
    folder_names : bool
        Take the folders directly below ``root`` as the ids of the patients; for folders that are
        named by pseudonyms.

    Returns
    -------
    FolderCohort
        Columns are ``subject``, ``session`` (where a patient has several studies, by their dates),
        and those of the sidecars. The mask is the segmentation or structure set that names the
        series as its own, where there is one.

    Raises
    ------
    TableError
        If no series is found or matches, two series match one modality, or a folder whose name
        was to be an id holds several patients.
    ImageError
        UNREADABLE.
    """
    search = find_series(root)
    if not search.series:
        raise TableError(
            f"{root.name}: no DICOM series makes a volume ({'; '.join(search.notes) or 'no files'})"
        )
    found = _by_folder(search.series, root) if folder_names else search.series
    patients = list(dict.fromkeys(entry.patient for entry in found))
    width = max(3, len(str(len(patients))))
    names = {patient: f"sub-{n:0{width}d}" for n, patient in enumerate(patients, start=1)}
    how = ["patients are numbered in the order of their folders, not called as in the headers"]
    if folder_names:
        names = {patient: patient for patient in patients}
        how = ["patients are called as their folders; see that these names are pseudonyms"]
    elif several := _several_folders(found, names, root):
        how.append(several)
    visits = _visits(found, names)
    masks = find_masks(root)
    drafts = (
        _one_row_a_series(visits, masks)
        if modalities is None
        else _one_row_a_visit(visits, modalities, masks, root)
    )
    notes = (*how, *search.notes, *masks.notes, *missing_images(drafts))
    if several := [name for name, files in masks.masks.items() if len(files) > 1]:
        notes += (f"{len(several)} series have several masks, so none was taken; name one",)
    if modalities is not None:
        unused = len(found) - sum(len(draft.images) for draft in drafts)
        notes += (f"{unused} series match no modality and were left out",) * bool(unused)
    return FolderCohort(cohort_of(drafts, root.name), "DICOM", notes)


def _by_folder(series: Sequence[FoundSeries], root: Path) -> tuple[FoundSeries, ...]:
    """Return the series with the folder directly below ``root`` as their patient."""
    owners: dict[str, str] = {}
    found: list[FoundSeries] = []
    for entry in series:
        name = _top(entry, root)
        if not name:
            raise TableError(f"{root.name}: expected a folder for each patient, got files")
        if owners.setdefault(name, entry.patient) != entry.patient:
            raise TableError(f"{root.name}: folder {name} holds several patients; part them")
        found.append(replace(entry, patient=name))
    return tuple(found)


def _several_folders(series: Sequence[FoundSeries], names: Mapping[str, str], root: Path) -> str:
    """Say which patient lies in several folders, if one does."""
    for patient, name in names.items():
        tops = dict.fromkeys(_top(entry, root) for entry in series if entry.patient == patient)
        if len(tops) > 1:
            return (
                f"{name} lies in {len(tops)} folders, because their headers name one patient; if "
                "the headers were emptied, let the folders' names be the ids"
            )
    return ""


def _top(entry: FoundSeries, root: Path) -> str:
    parts = entry.file.relative_to(root).parts
    return parts[0] if len(parts) > 1 else ""


def _visits(series: Sequence[FoundSeries], names: Mapping[str, str]) -> Visits:
    """Return the series of each patient and study; studies are numbered where there are several."""
    visits: Visits = {}
    for patient, name in names.items():
        own = [entry for entry in series if entry.patient == patient]
        first = {study: "" for study in dict.fromkeys(entry.study for entry in own)}
        for study in first:
            first[study] = min(entry.when for entry in own if entry.study == study)
        ordered = sorted(first, key=lambda study: (first[study], list(first).index(study)))
        for number, study in enumerate(ordered, start=1):
            session = f"ses-{number:02d}" if len(ordered) > 1 else ""
            visits[name, session] = [entry for entry in own if entry.study == study]
    return visits


def _draft(subject: str, session: str) -> Draft:
    columns = {"subject": subject} | ({"session": session} if session else {})
    return Draft("_".join(columns.values()), columns=columns)


def _one_row_a_series(visits: Visits, masks: MaskSearch) -> list[Draft]:
    drafts: list[Draft] = []
    for (subject, session), series in visits.items():
        for number, entry in enumerate(series, start=1):
            draft = _draft(subject, session)
            if len(series) > 1:
                draft.id += f"_series-{number:02d}"
            draft.images[""] = str(entry.path.absolute())
            draft.mask = _mask_of(entry, masks)
            draft.columns |= sidecar_columns({"": series_fields(entry.file)})
            drafts.append(draft)
    return drafts


def _one_row_a_visit(
    visits: Visits, modalities: Mapping[str, str], masks: MaskSearch, root: Path
) -> list[Draft]:
    drafts: list[Draft] = []
    problems: list[str] = []
    for (subject, session), series in visits.items():
        draft = _draft(subject, session)
        sidecars: dict[str, dict[str, Value]] = {}
        for modality, pattern in modalities.items():
            found = [entry for entry in series if _matches(entry, pattern)]
            if len(found) > 1:
                listed = " and ".join(str(entry.path.relative_to(root)) for entry in found[:3])
                problems.append(
                    f"{draft.id}: {len(found)} series match '{pattern}' for {modality}: {listed}; "
                    "narrow the pattern"
                )
            elif found:
                draft.images[modality] = str(found[0].path.absolute())
                sidecars[modality] = series_fields(found[0].file)
                # Contours of a later modality are drawn on the first as well, if its grid has them.
                draft.mask = draft.mask or _mask_of(found[0], masks)
        if draft.images:
            draft.columns |= sidecar_columns(sidecars)
            drafts.append(draft)
    require_none(problems)
    if not drafts:
        patterns = ", ".join(f"'{pattern}'" for pattern in modalities.values())
        raise TableError(f"{root.name}: no series is called like {patterns}")
    return drafts


def _mask_of(entry: FoundSeries, masks: MaskSearch) -> str:
    files = masks.masks.get(entry.series, [])
    return str(files[0].absolute()) if len(files) == 1 else ""


def _matches(series: FoundSeries, pattern: str) -> bool:
    called = [*series.description.split("\n"), series.file.parent.name]
    return any(fnmatch(name.lower(), pattern.lower()) for name in called if name)
