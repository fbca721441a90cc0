"""The cohort of image-level harmonization: images, brain masks, lesions, sites, covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.errors import TableError, did_you_mean
from harmonize_kit.flows.preprocess_input import CaseInput
from harmonize_kit.flows.translate_subjects import require_apart
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.identity import find_column

BRAIN, SPLIT, TRAIN = "Brain_mask", "split", "train"
TISSUE = "Tissue_labels"
MISSING = frozenset({"", "n/a", "na", "nan"})
NAMED = 3
Value = float | str


@dataclass(frozen=True)
class TranslationCase:
    """A case as its site and its files tell it.

    Parameters
    ----------
    source : CaseInput
        Images of the modalities in use, the lesion labels if any, and the brain mask.
    site : str
        Empty where the table does not say.
    lacks : str
        What is wrong with its row, as a sentence; empty where nothing is.
    covariates : mapping of str to float or str
    tissue : str
        Path of its tissue classes; empty where the table names none.
    """

    source: CaseInput
    site: str = ""
    lacks: str = ""
    covariates: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    tissue: str = ""

    @property
    def id(self) -> str:
        """The id of the case."""
        return self.source.case.id


@dataclass(frozen=True)
class TranslationCohort:
    """Cases with their modalities.

    Parameters
    ----------
    cohort : Cohort
        As its table says.
    cases : tuple of TranslationCase
    modalities : tuple of str
        In the order of the channels.
    notes : tuple of str
        What the user must know.
    """

    cohort: Cohort
    cases: tuple[TranslationCase, ...]
    modalities: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites, in the order of the alphabet."""
        return tuple(sorted({case.site for case in self.cases if case.site}))


def read_translation_cohort(
    path: Path, modalities: Sequence[str] = (), site: str | None = None,
    id_column: str | None = None,
) -> TranslationCohort:  # fmt: skip
    """Read a cohort table whose cases have a brain mask and, where it is another file, lesions.

    Parameters
    ----------
    path : Path
        Table with ``Image`` or ``Image_<modality>``, ``Brain_mask`` and, optionally, ``Mask``: the
        labels of lesions where it names another file than ``Brain_mask``. ``Tissue_labels``, where
        it is there, names the labels of tissues.
    modalities : sequence of str
        Those to take, in this order; none means all.
    site : str, optional
        Column of the sites.
    id_column : str, optional

    Raises
    ------
    TableError
        If it is no cohort, or lacks a column or a modality.
    """
    cohort = read_cohort(path, id_column, masked=False)
    column = find_column(cohort.columns, BRAIN)
    if column is None:
        raise TableError(
            f"{cohort.source}: expected a column '{BRAIN}' with the mask of each brain, outside of "
            "which images stay as they are; 'harmonize-kit preprocess' writes it, or name the "
            "masks there yourself"
        )
    wanted, notes = _modalities(cohort, modalities)
    place = None if site is None else column_of(cohort, site)
    columns = _Columns(column, place, find_column(cohort.columns, TISSUE))
    cases = tuple(_case(case, wanted, columns, path.parent) for case in cohort)
    return TranslationCohort(cohort, cases, wanted, notes)


def column_of(cohort: Cohort, name: str) -> str:
    """Return the column of that name, without regard to case; TableError where there is none."""
    found = find_column(cohort.columns, name)
    if found is None:
        hint = did_you_mean(name, cohort.columns)
        raise TableError(f"{cohort.source}: there is no column '{name}'. {hint}")
    return found


def training_cases(found: TranslationCohort, covariates: Sequence[str]) -> TranslationCohort:
    """Return the cases to train on, with their covariates.

    Where there is a column ``split``, those are its rows that say ``train``.

    Raises
    ------
    TableError
        If none is left, a subject is among them and among the others, or a site or covariate of one
        is missing.
    """
    cohort, cases, notes = found.cohort, found.cases, found.notes
    split = find_column(cohort.columns, SPLIT)
    if split is not None:
        cases = tuple(c for c in cases if c.source.case.columns[split].strip().lower() == TRAIN)
        if not cases:
            raise TableError(
                f"{cohort.source}: its column '{split}' names no case '{TRAIN}', so there is none "
                "to train on; leave the column out to train on all"
            )
        left = len(found.cases) - len(cases)
        notes = (*notes, f"{len(cases)} cases are trained on, whose '{split}' is '{TRAIN}'; the "
                 f"other {left} are not looked at")  # fmt: skip
        notes = (*notes, *require_apart(cohort, split, [case.id for case in cases]))
    columns = [column_of(cohort, name) for name in covariates]
    problems = _missing(cohort, "the site", [c.id for c in cases if not c.site])
    values: dict[str, dict[str, Value]] = {case.id: {} for case in cases}
    for name in columns:
        texts = {case.id: case.source.case.columns[name].strip() for case in cases}
        problems += _missing(cohort, f"'{name}'", lacking(cases, name))
        for case, value in _values(texts).items():
            values[case][name] = value
    if problems:
        raise TableError("; ".join(problems), problems)
    cases = tuple(replace(case, covariates=MappingProxyType(values[case.id])) for case in cases)
    return TranslationCohort(cohort, cases, found.modalities, notes)


def lacking(cases: Sequence[TranslationCase], column: str) -> list[str]:
    """Return the ids of the cases that say nothing in a column."""
    return [c.id for c in cases if c.source.case.columns[column].strip().lower() in MISSING]


def _values(texts: Mapping[str, str]) -> dict[str, Value]:
    """Return numbers where all cells are finite ones, else the text."""
    try:
        numbers: dict[str, Value] = {case: float(text) for case, text in texts.items()}
    except ValueError:
        return dict(texts)
    finite = all(abs(float(number)) < float("inf") for number in numbers.values())
    return numbers if finite else dict(texts)


def _missing(cohort: Cohort, what: str, cases: Sequence[str]) -> list[str]:
    if not cases:
        return []
    named = ", ".join(f"'{case}'" for case in cases[:NAMED])
    more = f" and {len(cases) - NAMED} more" if len(cases) > NAMED else ""
    return [
        f"{cohort.source}: {what} is missing for {named}{more}; fill it in, or leave these cases "
        "out"
    ]


def _modalities(cohort: Cohort, wanted: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    there = tuple(dict.fromkeys(name for case in cohort for name in case.images))
    if not wanted:
        return there, ()
    lowered = {name.lower(): name for name in reversed(there)}
    unknown = [name for name in wanted if name.lower() not in lowered]
    if unknown:
        raise TableError(
            f"{cohort.source}: there is no image of modality '{unknown[0] or 'Image'}'. "
            f"{did_you_mean(unknown[0], [name for name in there if name])}"
        )
    taken = tuple(lowered[name.lower()] for name in wanted)
    left = ", ".join(name for name in there if name not in taken)
    return taken, ((f"images of {left} are left out",) if left else ())


class _Columns(NamedTuple):
    brain: str
    site: str | None
    tissue: str | None


def _case(case: Case, modalities: Sequence[str], columns: _Columns, base: Path) -> TranslationCase:
    brain_mask = _path(case, columns.brain, base)
    absent = [name or "Image" for name in modalities if name not in case.images]
    lacks = f"the case has no image {', '.join(absent)}; leave it out, or name it" if absent else ""
    if not brain_mask:
        lacks = lacks or (
            f"the case has no brain mask; name one in the column '{columns.brain}', or make one "
            "with 'harmonize-kit preprocess'"
        )
    own = replace(
        case,
        images=MappingProxyType({n: case.images[n] for n in modalities if n in case.images}),
        # Where a case has no lesion, a preprocessed table names its brain mask twice.
        mask="" if case.mask == brain_mask else case.mask,
    )
    place = "" if columns.site is None else case.columns[columns.site].strip()
    tissue = _path(case, columns.tissue, base)
    return TranslationCase(CaseInput(own, brain_mask), place, lacks, tissue=tissue)


def _path(case: Case, column: str | None, base: Path) -> str:
    cell = "" if column is None else case.columns[column].strip()
    return str((base / cell).absolute()) if cell else ""
