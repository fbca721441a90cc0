"""Images of cohorts, opened one case at a time, judged and shown beside a report of features."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.core.scorecard import Score
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import TableError
from harmonize_kit.flows.compare_images import Flags, compare_images
from harmonize_kit.flows.guarded_images import GUARDS
from harmonize_kit.flows.translate_cohort import BRAIN
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.identity import find_column
from harmonize_kit.storage.images import open_image, open_mask

SHOWN = 4  # images on the page, of as many sites


@dataclass(frozen=True)
class ImageCohorts:
    """Cohort tables of the images that features were measured in.

    Parameters
    ----------
    cohorts : mapping of str to Path
        By candidate, the first of which is the state before; its masks are lesions.
    truth : Path, optional
        Of the same cases on the scanner that is aimed at.
    """

    cohorts: Mapping[str, Path]
    truth: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """The tables, by what a record of a run calls them."""
        found = {f"images of {name}": path for name, path in self.cohorts.items()}
        return found if self.truth is None else {**found, "true images": self.truth}


@dataclass(frozen=True)
class CohortImages(Mapping[str, Volume]):
    """Images of one modality by case id, each read when it is asked for, with its lesion.

    Parameters
    ----------
    cases : mapping of str to Case
    modality : str
    brains : mapping of str to Path
        Brain masks, where the table names them.
    """

    cases: Mapping[str, Case]
    modality: str
    brains: Mapping[str, Path] = field(default_factory=dict[str, Path])

    def __getitem__(self, case: str) -> Volume:
        found = self.cases[case]
        image = open_image(Path(found.images[self.modality])).volume
        # Where a case has no labels, preprocessing names its brain mask twice.
        if not found.mask or Path(found.mask) == self.brains.get(case):
            return image
        mask = open_mask(
            Path(found.mask), found.label_channel, image.geometry, found.labels or None
        ).volume
        if found.labels:
            mask = mask.with_array(np.where(np.isin(mask.array, found.labels), mask.array, 0))
        return image.with_mask(mask)

    def __iter__(self) -> Iterator[str]:
        return iter(self.cases)

    def __len__(self) -> int:
        return len(self.cases)

    def regions(self) -> CohortRegions | None:
        """Return the brains of all cases; None where the table does not name each of them."""
        return CohortRegions(self) if all(case in self.brains for case in self.cases) else None


@dataclass(frozen=True)
class CohortRegions(Mapping[str, Flags]):
    """The voxels of a cohort's images that are judged, by case id: its brain masks."""

    images: CohortImages

    def __getitem__(self, case: str) -> Flags:
        image = open_image(Path(self.images.cases[case].images[self.images.modality])).volume
        return open_mask(self.images.brains[case], 0, image.geometry, None).volume.array > 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class JudgedImages:
    """Scores of images, and those that are shown.

    Parameters
    ----------
    scores : tuple of Score
    shown : mapping of str to tuple of Volume
        By name, the image before and as each candidate, and the truth, has it.
    labels : tuple of str
        What these are, in their order.
    regions : mapping of str to ndarray of bool
        By name, the voxels that are judged, where brain masks are known.
    guards : mapping of str to Path
        By candidate, the folder where ``translate apply`` left its guards.
    """

    scores: tuple[Score, ...] = ()
    shown: Mapping[str, tuple[Volume, ...]] = field(default_factory=dict[str, tuple[Volume, ...]])
    labels: tuple[str, ...] = ("before", "after")
    regions: Mapping[str, Flags] = field(default_factory=dict[str, Flags])
    guards: Mapping[str, Path] = field(default_factory=dict[str, Path])


def judge_cohort_images(
    given: ImageCohorts | None,
    site: str,
    subject: str | None,
    config: CompareConfig,
    *,
    show_ids: bool,
    only: Collection[str] | None = None,
) -> JudgedImages:
    """Judge the images of cohorts, the first of which is the state before.

    Parameters
    ----------
    given : ImageCohorts, optional
        Without them there is nothing to judge.
    site, subject : str
        Columns of the first cohort, where it has them.
    config : CompareConfig
    show_ids : bool
        Whether the page may name cases.
    only : collection of str, optional
        Ids that are judged; all of the first cohort otherwise.

    Raises
    ------
    TableError
        If a cohort cannot be read or lacks a case.
    CaseError
        If an image cannot be read, or lies on another grid.
    """
    if given is None:
        return JudgedImages()
    read = {name: read_cohort(path, masked=False) for name, path in given.cohorts.items()}
    true = None if given.truth is None else read_cohort(given.truth, masked=False)
    first = next(iter(read.values()))
    cases = [case for case in first.cases if only is None or case.id in set(only)]
    if not cases:
        raise TableError(
            f"{first.source}: expected images of the cases that are judged, got none of their ids; "
            "images and features are joined by id"
        )
    subjects = {case.id: case.columns.get(subject or "") or case.id for case in cases}
    scores: list[Score] = []
    shown: dict[str, tuple[Volume, ...]] = {}
    regions: dict[str, Flags] = {}
    for modality in cases[0].images:
        before, *others = (
            _images(cohort, given.cohorts[name], modality, {case.id for case in cases})
            for name, cohort in read.items()
        )
        images = dict(zip(read, (before, *others), strict=True))
        aim = None
        if true is not None and given.truth is not None:
            aim = _images(true, given.truth, modality, set(before))
        card = compare_images(
            images,
            truth=aim,
            subjects=subjects,
            target=modality or "image",
            config=config,
            regions=before.regions(),
        )
        scores += card.scores
        states = (*images.values(), *(() if aim is None else (aim,)))
        for place, case in _one_a_site(cases, site):
            name = f"{place}, {case}" if show_ids else place
            name = f"{name}, {modality}" if modality else name
            shown[name] = tuple(state[case] for state in states)
            if (brains := before.regions()) is not None:
                regions[name] = brains[case]
    labels = (*read, *(() if true is None else ("truth",)))
    guards = {n: p.parent for n, p in given.cohorts.items() if (p.parent / GUARDS).is_file()}
    return JudgedImages(tuple(scores), shown, labels, regions, guards)


def _images(cohort: Cohort, path: Path, modality: str, ids: Collection[str]) -> CohortImages:
    cases = [case for case in cohort.cases if case.id in ids]
    for case in cases:
        if not case.images.get(modality):
            raise TableError(
                f"{cohort.source}: expected an image '{modality or 'Image'}' of every case, got "
                f"none for id '{case.id}'; leave the case out, or name its image"
            )
    column = find_column(cohort.columns, BRAIN)
    base = path.parent.absolute()
    brains = {
        case.id: base / case.columns[column].strip()
        for case in cases
        if column is not None and case.columns[column].strip()
    }
    return CohortImages({case.id: case for case in cases}, modality, brains)


def _one_a_site(cases: Sequence[Case], site: str) -> list[tuple[str, str]]:
    """Return site and id of the first case of each of some sites."""
    found: dict[str, str] = {}
    for case in cases:
        found.setdefault(case.columns.get(site) or "all cases", case.id)
    return list(found.items())[:SHOWN]
