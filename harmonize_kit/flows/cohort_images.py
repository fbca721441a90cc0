"""Images of cohorts, opened one case at a time, judged and shown beside a report of features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.core.scorecard import Score
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import TableError
from harmonize_kit.flows.compare_images import compare_images
from harmonize_kit.storage.cohorts import read_cohort
from harmonize_kit.storage.images import open_image, open_mask

SHOWN = 4  # images on the page, of as many sites


@dataclass(frozen=True)
class CohortImages(Mapping[str, Volume]):
    """Images of one modality by case id, each read when it is asked for, with its lesion.

    Parameters
    ----------
    cases : mapping of str to Case
    modality : str
    """

    cases: Mapping[str, Case]
    modality: str

    def __getitem__(self, case: str) -> Volume:
        found = self.cases[case]
        image = open_image(Path(found.images[self.modality])).volume
        if not found.mask:
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


@dataclass(frozen=True)
class JudgedImages:
    """Scores of images, and those that are shown: by name, before and after."""

    scores: tuple[Score, ...]
    shown: Mapping[str, tuple[Volume, Volume]]
    labels: tuple[str, str]


def judge_cohort_images(
    cohorts: Mapping[str, Path],
    truth: Path | None,
    site: str,
    subject: str | None,
    config: CompareConfig,
    *,
    show_ids: bool,
) -> JudgedImages:
    """Judge the images of cohorts, the first of which is the state before.

    Parameters
    ----------
    cohorts : mapping of str to Path
        Cohort tables by candidate; the masks of the first are lesions.
    truth : Path, optional
        Cohort of the same cases on the scanner that is aimed at.
    site, subject : str
        Columns of the first cohort, where it has them.
    config : CompareConfig
    show_ids : bool
        Whether the page may name cases.

    Raises
    ------
    TableError
        If a cohort cannot be read or lacks a case.
    CaseError
        If an image cannot be read, or lies on another grid.
    """
    read = {name: read_cohort(path, masked=False) for name, path in cohorts.items()}
    true = None if truth is None else read_cohort(truth, masked=False)
    first = next(iter(read.values()))
    subjects = {case.id: case.columns.get(subject or "") or case.id for case in first.cases}
    scores: list[Score] = []
    shown: dict[str, tuple[Volume, Volume]] = {}
    last = list(read)[-1] if len(read) > 1 else "truth"
    for modality in first.cases[0].images:
        images = {name: _images(cohort, modality) for name, cohort in read.items()}
        aim = None if true is None else _images(true, modality)
        card = compare_images(
            images, truth=aim, subjects=subjects, target=modality or "image", config=config
        )
        scores += card.scores
        before, after = images[next(iter(read))], images.get(last) or aim
        if after is None:
            continue
        for place, case in _one_a_site(first.cases, site):
            name = f"{place}, {case}" if show_ids else place
            shown[f"{name}, {modality}" if modality else name] = (before[case], after[case])
    return JudgedImages(tuple(scores), shown, (next(iter(read)), last))


def _images(cohort: Cohort, modality: str) -> CohortImages:
    for case in cohort.cases:
        if not case.images.get(modality):
            raise TableError(
                f"{cohort.source}: expected an image '{modality or 'Image'}' of every case, got "
                f"none for id '{case.id}'; leave the case out, or name its image"
            )
    return CohortImages({case.id: case for case in cohort.cases}, modality)


def _one_a_site(cases: Sequence[Case], site: str) -> list[tuple[str, str]]:
    """Return site and id of the first case of each of some sites."""
    found: dict[str, str] = {}
    for case in cases:
        found.setdefault(case.columns.get(site) or "all cases", case.id)
    return list(found.items())[:SHOWN]
