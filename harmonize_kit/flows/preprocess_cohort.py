"""The cohort to preprocess: a table, or a folder whose layout is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from harmonize_kit.config.preprocess import PreprocessingConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.core.digest import digest_file, digest_value
from harmonize_kit.errors import ConfigError, TableError
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.folder_cohorts import cohort_from_folder
from harmonize_kit.storage.identity import find_column

BRATS, TABLE = "BraTS", "table"


@dataclass(frozen=True)
class Source:
    """A cohort to preprocess, and how it was found.

    Parameters
    ----------
    cohort : Cohort
        Of the modalities that are taken; its masks are lesion labels.
    name : str
        For messages.
    layout : {"table", "BIDS", "BraTS", "DICOM"}
    digest : str
        Of the table, or of the names in the folder.
    brain_masks : mapping of str to str
        Path by id, for cases that come with one.
    notes : tuple of str
        What the user must know.
    """

    cohort: Cohort
    name: str
    layout: str
    digest: str
    brain_masks: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def patient_of(self, case: Case) -> str:
        """Return the name of the patient: in a BraTS folder the id, else the subject's if told."""
        names = self.cohort.columns
        column = find_column(names, "participant_id") or find_column(names, "subject")
        return (case.columns[column] if column else "") or case.id

    def class_of(self, case: Case) -> str:
        """Return the class of a case, empty where there are none."""
        column = find_column(self.cohort.columns, "class")
        return case.columns[column] if column else ""


def read_source(
    cohort: Cohort | Path,
    config: PreprocessingConfig,
    classes: tuple[str, ...] = (),
    id_column: str | None = None,
) -> Source:
    """Find the cases of a table or folder, and of their images those the configuration takes.

    Raises
    ------
    TableError
        If the cohort cannot be read, or a case has none of the modalities.
    ConfigError
        If classes are asked for of something that is no BraTS folder.
    """
    if isinstance(cohort, Cohort):
        found = Source(cohort, cohort.source, TABLE, _digest_of(cohort), {})
    elif cohort.is_dir():
        listed = cohort_from_folder(
            cohort, classes=classes, modalities=config.series, entities=config.entities
        )
        digest = _digest_of(listed.cohort)
        found = Source(listed.cohort, cohort.name, listed.layout, digest, {}, listed.notes)
    else:
        own = read_cohort(cohort, id_column, masked=False)
        found = Source(own, cohort.name, TABLE, digest_file(cohort), {})
    if classes and found.layout != BRATS:
        raise ConfigError(
            f"--classes is for a BraTS folder (CLASS/PATIENT/PATIENT_t1.nii.gz), got {found.name}; "
            "filter the rows of the table instead"
        )
    base = cohort.parent if isinstance(cohort, Path) else Path()
    return _with_modalities(_with_brain_masks(found, base), config)


def _with_brain_masks(source: Source, base: Path) -> Source:
    column = find_column(source.cohort.columns, "Brain_mask")
    if column is None:
        return source
    cells = {case.id: case.columns[column].strip() for case in source.cohort}
    masks = {name: str((base / cell).absolute()) for name, cell in cells.items() if cell}
    left = tuple(name for name in source.cohort.columns if name != column)
    cases = tuple(
        replace(
            case,
            # Where a case has no labels, the table of an earlier run names its brain mask twice.
            mask="" if case.mask == masks.get(case.id) else case.mask,
            columns=MappingProxyType({name: case.columns[name] for name in left}),
        )
        for case in source.cohort
    )
    cohort = Cohort(cases, left, source.cohort.source)
    return replace(source, cohort=cohort, brain_masks=MappingProxyType(masks))


def _with_modalities(source: Source, config: PreprocessingConfig) -> Source:
    """Leave the images out that the configuration does not name; one without a name stays."""
    wanted = {name.lower() for name in config.modalities}
    cases: list[Case] = []
    problems: list[str] = []
    for case in source.cohort:
        images = {
            name: path
            for name, path in case.images.items()
            if not wanted or not name or name.lower() in wanted
        }
        if not images:
            problems.append(
                f"{source.name}: case '{case.id}' has none of the modalities "
                f"{', '.join(config.modalities)} that the configuration takes, got "
                f"{', '.join(case.images)}"
            )
        drawn_on = config.drawn_on
        if images and case.mask and drawn_on not in (None, *images):
            problems.append(
                f"{source.name}: case '{case.id}' has no image '{drawn_on}', on which the labels "
                f"were drawn as the configuration says, got {', '.join(images)}"
            )
        cases.append(replace(case, images=MappingProxyType(images)))
    if problems:
        more = f" ({len(problems)} problems in all)" if len(problems) > 1 else ""
        raise TableError(f"{problems[0]}{more}", problems)
    return replace(source, cohort=Cohort(tuple(cases), source.cohort.columns, source.cohort.source))


def _digest_of(cohort: Cohort) -> str:
    return digest_value(
        [[case.id, dict(case.images), case.mask, dict(case.columns)] for case in cohort]
    )
