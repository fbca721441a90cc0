"""The training cases of a fit, gone through once: what each tells, and which cannot be read."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.translate_fit import BY_IMAGE, FitConfig
from harmonize_kit.core.digest import digest_value
from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import CaseError, ConfigError, NothingSucceededError, TableError
from harmonize_kit.flows.assemble import STAGES
from harmonize_kit.flows.translate import CaseProgress
from harmonize_kit.flows.translate_by_image import summarize_image
from harmonize_kit.flows.translate_by_site import TOLERANCE, AtlasGrid
from harmonize_kit.flows.translate_cohort import TranslationCase
from harmonize_kit.flows.translate_read import ReadCase, read_case
from harmonize_kit.flows.translate_slices import Unread
from harmonize_kit.translation.box_grid import box_shape, onto_box
from harmonize_kit.translation.places import Box, head_box
from harmonize_kit.translation.site_curve import image_quantiles

# The mean of one would be that subject's image.
FEWEST = 2
Mask = NDArray[np.bool_]
logger = logging.getLogger(__name__)


class CaseSummary(NamedTuple):
    """What a training case tells of itself.

    Parameters
    ----------
    case : TranslationCase
    content : str
        Digest of its files.
    geometry : Geometry
        Of its images, in the order of the patient's axes.
    box : Box
        Of its brain.
    values : list of list of float, or ndarray, shape (c, q)
        What a normalisation learns from, or the quantiles that a curve does; empty for a template.
    """

    case: TranslationCase
    content: str
    geometry: Geometry
    box: Box
    values: Any


@dataclass(frozen=True)
class Summaries:
    """What the training cases tell, by site, and those that cannot be read."""

    by_site: Mapping[str, Sequence[CaseSummary]]
    unread: tuple[Unread, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many cases of each site were read."""
        return {site: len(own) for site, own in self.by_site.items()}

    @property
    def digest(self) -> str:
        """Digest of sites and files."""
        return digest_value([
            [site, sorted(one.content for one in own)] for site, own in sorted(self.by_site.items())
        ])  # fmt: skip


def summarize_cases(
    cases: Sequence[TranslationCase], config: FitConfig, progress: CaseProgress
) -> Summaries:
    """Read the training cases; one that cannot be read is named and left out.

    Raises
    ------
    NothingSucceededError
        If no case of a site can be read.
    TableError
        If a site has fewer than two cases.
    """
    by_site: dict[str, list[CaseSummary]] = {case.site: [] for case in cases}
    unread: list[Unread] = []
    progress(None, 0, len(cases))
    for number, case in enumerate(cases, start=1):
        failure: Unread | None = None
        try:
            by_site[case.site].append(_summary(case, config))
        except CaseError as error:
            failure = Unread(case.id, STAGES.get(error.code, "read"), error.code, error.message)
            unread.append(failure)
            logger.warning("case %s is left out: %s %s", case.id, error.code, error.message)
        progress(failure or case, number, len(cases))
    for site, own in by_site.items():
        _require_enough(site, len(own), [one for one in unread if _is_of(one, site, cases)])
    return Summaries(by_site, tuple(unread))


def common_grid(summaries: Summaries, config: FitConfig) -> AtlasGrid:
    """Return the grid that images are averaged on.

    Raises
    ------
    ConfigError
        If a common grid is asked for and there is none.
    """
    every = [one for own in summaries.by_site.values() for one in own]
    if config.grid == "box":
        shape = np.rint(np.mean([box_shape(one.box) for one in every], axis=0)).astype(int)
        return AtlasGrid(kind="box", shape=(int(shape[0]), int(shape[1]), int(shape[2])))
    first = every[0]
    for other in every[1:]:
        difference = first.geometry.difference(other.geometry, TOLERANCE)
        if difference is not None:
            raise ConfigError(
                f"{config.method} averages images voxel by voxel, so that they must lie on one "
                f"grid; '{first.case.id}' and '{other.case.id}' do not: {difference}. Register "
                "all to one template first (harmonize-kit preprocess --stages register), or "
                "average on the brain's bounding box: --grid box"
            )
    grid = first.geometry
    x, y, z = grid.size
    return AtlasGrid(
        kind="common", shape=(z, y, x), spacing=grid.spacing, origin=grid.origin,
        direction=grid.direction,
    )  # fmt: skip


def voxel_length(summaries: Summaries, grid: AtlasGrid) -> float:
    """Return the length in mm of a voxel of a grid: the cube root of its volume."""
    every = [one for own in summaries.by_site.values() for one in own]
    if grid.spacing is not None:
        return math.prod(grid.spacing) ** (1 / 3)
    boxes = np.array([box_shape(one.box) for one in every], dtype=np.float64)
    lengths = boxes * np.array([one.geometry.spacing[::-1] for one in every])
    return math.prod(float(one) for one in lengths.mean(axis=0) / grid.shape) ** (1 / 3)


@dataclass(frozen=True)
class ImagesOnGrid:
    """The images (c, z, y, x) of a site with their masks, read anew each time they are gone over.

    Lesions have no part in the masks: they are no difference of scanners.
    """

    cases: Sequence[CaseSummary]
    grid: AtlasGrid
    tell: CaseProgress

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], Mask]]:
        self.tell(None, 0, len(self.cases))
        for number, one in enumerate(self.cases, start=1):
            try:
                read = read_case(one.case)
            except CaseError as error:
                raise ConfigError(
                    f"case '{one.case.id}' was changed while it was read ({error}); run again"
                ) from error
            image, mask = read.channels(), healthy(read)
            if self.grid.kind == "box":
                image, mask = onto_box(image, mask, one.box, self.grid.shape)
            yield image, mask
            self.tell(one.case, number, len(self.cases))


def healthy(read: ReadCase) -> Mask:
    """Return the brain without its lesions; the brain where nothing else is left."""
    if read.lesion is None or not (read.mask & ~read.lesion).any():
        return read.mask
    return read.mask & ~read.lesion


def _summary(case: TranslationCase, config: FitConfig) -> CaseSummary:
    by_image = config.method in BY_IMAGE
    read = read_case(case, normalised=not by_image)
    values: Any = ()
    if by_image:
        values = summarize_image(read, config.method)
    elif config.method != "atlas-template":
        values = image_quantiles(read.channels(), healthy(read))
    content = digest_value(case.source.content(case.source.files()))
    return CaseSummary(case, content, read.stack.geometry, head_box(read.mask), values)


def _require_enough(site: str, count: int, unread: Sequence[Unread]) -> None:
    if not count and unread:
        raise NothingSucceededError(
            f"no case of site '{site}' can be read; the first, '{unread[0].id}', failed with "
            f"{unread[0].code}: {unread[0].message}"
        )
    if count < FEWEST:
        raise TableError(
            f"expected at least {FEWEST} training cases of site '{site}', got {count}: the mean "
            "of one would be that subject's image"
        )


def _is_of(unread: Unread, site: str, cases: Sequence[TranslationCase]) -> bool:
    return any(case.id == unread.id and case.site == site for case in cases)
