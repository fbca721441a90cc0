"""The images of a reader study: which cohorts have them, and how each is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import CaseError, GeometryError, InputError, TableError, did_you_mean
from harmonize_kit.preprocess.orientation import AxisOrder
from harmonize_kit.report.reader_study_slices import choose_view, cut_image
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.identity import find_column
from harmonize_kit.storage.images import open_image, open_mask

BRAIN = "Brain_mask"
Flags = NDArray[np.bool_]
Planes = list[dict[str, Any]]


@dataclass(frozen=True)
class Candidate:
    """The cases of a candidate that have an image of the modality.

    Parameters
    ----------
    name : str
    modality : str
        As its table calls it; empty for a column ``Image``.
    cases : mapping of str to Case
    brains : mapping of str to Path
        Brain masks by case id, where the table names them.
    """

    name: str
    modality: str
    cases: Mapping[str, Case]
    brains: Mapping[str, Path]

    def column(self, name: str) -> dict[str, str]:
        """Return the cells of a column by case id, where the table has it and they hold something.

        Parameters
        ----------
        name : str
            Matched without regard to case.
        """
        cells: dict[str, str] = {}
        for case in self.cases.values():
            found = find_column(list(case.columns), name)
            if found is not None and case.columns[found].strip():
                cells[case.id] = case.columns[found].strip()
        return cells


def read_candidate(name: str, path: Path, modality: str | None) -> Candidate:
    """Read the cohort of a candidate.

    Parameters
    ----------
    name : str
    path : Path
        Table with ``Image`` or ``Image_<modality>``, and where known ``Brain_mask`` and ``Mask``.
    modality : str, optional
        Which of several; a table with a single column ``Image`` does not say what it holds, and
        is taken as it is.

    Raises
    ------
    TableError
        If the table cannot be read or has no such modality, or several and none was chosen.
    """
    cohort = read_cohort(path, masked=False)
    chosen = _modality(cohort, modality)
    brain = find_column(cohort.columns, BRAIN)
    cases = {case.id: case for case in cohort if chosen in case.images}
    brains = {
        case.id: (path.parent / case.columns[brain].strip()).absolute()
        for case in cases.values()
        if brain is not None and case.columns[brain].strip()
    }
    return Candidate(name, chosen, cases, brains)


def cut_case(
    case: str, candidates: Sequence[Candidate], slices: int, window: tuple[float, float]
) -> dict[str, Planes]:
    """Return the planes of a case by candidate: the same slices of all, each in its own window.

    Lesion and brain are those of the first candidate that names them.

    Parameters
    ----------
    case : str
        Id.
    candidates : sequence of Candidate
        Those that show it.
    slices : int
    window : tuple of float

    Raises
    ------
    CaseError
        If an image or mask cannot be read, or they lie on different grids.
    InputError
        If intensities are not finite, or do not vary.
    """
    images: dict[str, Volume] = {}
    for one in candidates:
        try:
            images[one.name] = open_image(Path(one.cases[case].images[one.modality])).volume
        except CaseError as error:
            error.add_note(f"case '{case}' of '{one.name}'")
            raise
    first = images[candidates[0].name].geometry
    for name, image in images.items():
        difference = first.difference(image.geometry)
        if difference is not None:
            raise GeometryError(
                f"images of '{case}': expected one grid, got {difference} in '{name}'; resample "
                "one to the other, since readers see the same slices of both"
            )
    order = AxisOrder.of(first)
    spacing = order.geometry(first).spacing
    try:
        brain, lesion = _masks(case, candidates, first)
    except CaseError as error:
        error.add_note(f"masks of case '{case}'")
        raise
    shown = [None if mask is None else order.to_patient(mask) for mask in (brain, lesion)]
    shape = order.to_patient(images[candidates[0].name].array).shape
    view = choose_view(shape, spacing, shown[0], shown[1], slices)
    planes: dict[str, Planes] = {}
    for name, image in images.items():
        array = order.to_patient(image.as_float())
        try:
            planes[name] = cut_image(array, spacing, view, shown[0], window)
        except InputError as error:
            raise InputError(f"image of '{case}' in '{name}': {error}") from error
    return planes


def _masks(
    case: str, candidates: Sequence[Candidate], grid: Geometry
) -> tuple[Flags | None, Flags | None]:
    brain = next((one.brains[case] for one in candidates if case in one.brains), None)
    drawn = (one.cases[case] for one in candidates)
    # Where a case has no lesion, a preprocessed table names its brain mask twice.
    marked = next((one for one in drawn if one.mask and one.mask != str(brain)), None)
    return (
        None if brain is None else _inside(brain, 0, (), grid),
        None if marked is None
        else _inside(Path(marked.mask), marked.label_channel, marked.labels, grid),
    )  # fmt: skip


def _inside(path: Path, channel: int, labels: tuple[int, ...] | None, grid: Geometry) -> Flags:
    mask = open_mask(path, channel, grid, labels or None).volume
    difference = grid.difference(mask.geometry)
    if difference is not None:
        raise GeometryError(
            f"{path.name}: expected the grid of the image, got {difference}; resample the mask"
        )
    return np.isin(mask.array, labels) if labels else mask.array > 0


def _modality(cohort: Cohort, wanted: str | None) -> str:
    there = list(dict.fromkeys(name for case in cohort for name in case.images))
    if there == [""]:
        return ""
    if wanted is None:
        if len(there) == 1:
            return there[0]
        raise TableError(
            f"{cohort.source}: expected one modality to show, got {', '.join(there)}; choose one "
            "with --modality"
        )
    found = find_column(there, wanted)
    if found is None:
        raise TableError(
            f"{cohort.source}: there is no image of modality '{wanted}'. "
            f"{did_you_mean(wanted, there)}"
        )
    return found
