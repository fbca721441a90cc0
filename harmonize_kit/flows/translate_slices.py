"""The slices that networks are trained on, cut once from a cohort and kept beside the model."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harmonize_kit.core.digest import digest_value
from harmonize_kit.errors import CaseError, MaskError, NothingSucceededError
from harmonize_kit.flows.assemble import STAGES
from harmonize_kit.flows.translate_cohort import TranslationCase, TranslationCohort
from harmonize_kit.flows.translate_read import read_case
from harmonize_kit.preprocess.orientation import AxisOrder
from harmonize_kit.storage.images import open_mask
from harmonize_kit.storage.whole import write_text
from harmonize_kit.translation.store import (
    SlicedCase,
    SliceStore,
    is_as_written,
    open_store,
    write_store,
)

FOLDER, DOCUMENT = "slices", "slices.json"
# To be counted up when slices are cut in another way.
SCHEMA = "harmonize-kit/sliced-cohort/3"
COLUMNS = ["id", "stage", "code", "message"]
# A brain mask of less than this share of the cohort's median volume is of something else.
SMALLEST_BRAIN = 0.1
# Slices of more than so many times the voxels that most cases need are worth a word.
MUCH_LARGER = 2
# Told of each case: what failed of it, if anything, how many are done, and how many there are.
Progress = Callable[[Any, int, int], None]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unread:
    """A case that could not be read, as ``failures.csv`` says it."""

    id: str
    stage: str
    code: str
    message: str


@dataclass(frozen=True)
class Sliced:
    """The slices of a cohort.

    Parameters
    ----------
    store : SliceStore
    unread : tuple of Unread
    notes : tuple of str
        What the files of cases told.
    reused : bool
        Whether they were there from an earlier run.
    """

    store: SliceStore
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]
    reused: bool


def slices_key(cohort: TranslationCohort, multiple: int, least: int) -> str:
    """Return the digest of all that determines the slices; files are read to their end."""
    cases: list[Any] = []
    for case in cohort.cases:
        try:
            content = case.source.content(case.source.files())
        except CaseError as error:
            content = {"unreadable": error.code}
        cases.append([case.id, case.site, dict(case.covariates), case.lacks, content])
    return digest_value({
        "schema": SCHEMA, "cases": cases, "modalities": list(cohort.modalities),
        "multiple": multiple, "least": least,
    })  # fmt: skip


def cut_slices(
    cohort: TranslationCohort, folder: Path, key: str, multiple: int, least: int, progress: Progress
) -> Sliced:
    """Cut the slices of a cohort into ``folder``, unless they are there, to the last bit.

    A case that cannot be read is named and left out.

    Parameters
    ----------
    cohort : TranslationCohort
    folder : Path
        Of the model.
    key : str
        Of :func:`slices_key`.
    multiple, least : int
        Slices are padded to a multiple of so many voxels a side, and to no less than so many.

    Raises
    ------
    NothingSucceededError
        If no case of a site can be read.
    """
    if _is_kept(folder, key):
        progress(None, len(cohort.cases), len(cohort.cases))
        sliced = open_slices(folder)
        _write_failures(sliced.unread, folder)
        return sliced
    (folder / DOCUMENT).unlink(missing_ok=True)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    unread: list[Unread] = []
    notes: list[str] = []
    survey = _survey(cohort, multiple, least)
    notes += survey.notes
    try:
        write_store(
            folder / FOLDER, _sliced(cohort, survey.odd, unread, notes, progress), survey.size
        )
    finally:
        _write_failures(unread, folder)
    document = {
        "schema": SCHEMA, "key": key, "unread": [asdict(one) for one in unread], "notes": notes,
    }  # fmt: skip
    write_text(folder / DOCUMENT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return Sliced(open_store(folder / FOLDER), tuple(unread), tuple(notes), reused=False)


def _write_failures(unread: Sequence[Unread], folder: Path) -> None:
    """Write ``failures.csv``: the cases that could not be read."""
    frame = pd.DataFrame([asdict(one) for one in unread], columns=COLUMNS, dtype=object)
    write_text(folder / "failures.csv", frame.to_csv(index=False, lineterminator="\n"))


def open_slices(folder: Path) -> Sliced:
    """Return the slices that :func:`cut_slices` left in ``folder``."""
    document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    unread = tuple(Unread(**row) for row in document["unread"])
    return Sliced(open_store(folder / FOLDER), unread, tuple(document["notes"]), reused=True)


def _is_kept(folder: Path, key: str) -> bool:
    """Tell whether slices of this key are there, whole: they may have been removed since."""
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        if document["key"] != key:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if is_as_written(folder / FOLDER):
        return True
    if (folder / FOLDER).exists():
        logger.warning("%s: not as it was written; slices are cut again", folder / FOLDER)
    return False


@dataclass(frozen=True)
class _Survey:
    """What brain masks tell before images are read: the common size of slices, and odd cases."""

    size: tuple[int, int]
    odd: dict[str, MaskError]
    notes: tuple[str, ...]


def _survey(cohort: TranslationCohort, multiple: int, least: int) -> _Survey:
    """Return rows and columns that hold the slices of every case, and cases with no brain."""
    sizes: dict[str, tuple[int, int]] = {}
    volumes: dict[str, float] = {}
    for case in cohort.cases:
        try:
            mask = open_mask(Path(case.source.brain_mask)).volume
        except CaseError:
            continue
        across, back, _ = AxisOrder.of(mask.geometry).geometry(mask.geometry).size
        sizes[case.id] = (back, across)
        volumes[case.id] = np.count_nonzero(mask.array) * float(np.prod(mask.geometry.spacing))
    found = [volume for volume in volumes.values() if volume > 0]
    usual = float(np.median(found)) if found else 0.0
    # Those without a voxel are told as such when they are read.
    odd = {
        case: _too_small(volume, usual)
        for case, volume in volumes.items()
        if 0 < volume < SMALLEST_BRAIN * usual
    }
    fit = {case: size for case, size in sizes.items() if case not in odd}
    y, x = np.max([(least, least), *fit.values()], axis=0)
    size = int(-(-y // multiple) * multiple), int(-(-x // multiple) * multiple)
    return _Survey(size, odd, _padding(size, fit, least))


def _too_small(volume: float, usual: float) -> MaskError:
    return MaskError(
        "TOO_SMALL",
        f"expected a brain mask of about {usual / 1000:.3g} ml, the cohort's median, got one of "
        f"{volume / 1000:.2g} ml; look at the mask, or leave the case out",
    )


def _padding(
    size: tuple[int, int], sizes: Mapping[str, tuple[int, int]], least: int
) -> tuple[str, ...]:
    """Return a note where few cases on large grids make slices large for all."""
    if not sizes:
        return ()
    y, x = (max(least, int(length)) for length in np.median(list(sizes.values()), axis=0))
    if size[0] * size[1] <= MUCH_LARGER * y * x:
        return ()
    largest = max(sizes, key=lambda case: sizes[case][0] * sizes[case][1])
    return (
        f"slices of all cases are padded to {size[0]} x {size[1]} voxels, since case {largest} has "
        f"{sizes[largest][0]} x {sizes[largest][1]}, where most need {y} x {x}: crop its grid to "
        "save time and memory",
    )


def _sliced(
    cohort: TranslationCohort,
    odd: Mapping[str, MaskError],
    unread: list[Unread],
    notes: list[str],
    progress: Progress,
) -> Iterator[SlicedCase]:
    total, found = len(cohort.cases), set[str]()
    progress(None, 0, total)
    for number, case in enumerate(cohort.cases, start=1):
        failure: Unread | None = None
        try:
            if case.id in odd:
                raise odd[case.id]
            sliced, told = _slice(case)
        except CaseError as error:
            failure = Unread(case.id, STAGES.get(error.code, "read"), error.code, error.message)
            unread.append(failure)
            logger.warning("case %s is left out: %s %s", case.id, error.code, error.message)
        else:
            notes += [f"case {case.id}: {note}" for note in told]
            found.add(case.site)
            yield sliced
        progress(failure or case, number, total)
    for site in cohort.sites:
        if site not in found:
            own = {case.id for case in cohort.cases if case.site == site}
            first = next(one for one in unread if one.id in own)
            raise NothingSucceededError(
                f"no case of site '{site}' can be trained on; the first, '{first.id}', failed with "
                f"{first.code}: {first.message}"
            )


def _slice(case: TranslationCase) -> tuple[SlicedCase, tuple[str, ...]]:
    read = read_case(case)
    sliced = SlicedCase(
        case.id,
        case.site,
        case.covariates,
        read.stack.channels(),
        read.mask,
        read.lesion,
        read.stack.geometry.spacing,
    )
    return sliced, read.notes
