"""translate fit: a cohort in, a translation that needs no network out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harmonize_kit.config.translate import DifferencesConfig
from harmonize_kit.config.translate_fit import BY_IMAGE, ON_GRID, FitConfig, Grid, Method
from harmonize_kit.errors import ConfigError, DesignError, did_you_mean
from harmonize_kit.flows.output_folder import writing
from harmonize_kit.flows.translate import CaseProgress
from harmonize_kit.flows.translate_alike import (
    compared_columns,
    differences_as_they_are,
    require_alike,
)
from harmonize_kit.flows.translate_by_image import ByImage, fit_by_image
from harmonize_kit.flows.translate_by_site import AtlasGrid, BySite, SiteMap
from harmonize_kit.flows.translate_cohort import (
    TranslationCohort,
    read_translation_cohort,
    training_cases,
)
from harmonize_kit.flows.translate_fit_cases import (
    ImagesOnGrid,
    Summaries,
    common_grid,
    summarize_cases,
    voxel_length,
)
from harmonize_kit.flows.translate_fitted import FORMAT, FittedOn, save_fitted
from harmonize_kit.flows.translate_slices import Unread
from harmonize_kit.translation.atlas_template import AtlasTemplate, MeanImage
from harmonize_kit.translation.site_curve import SiteCurve, mean_curve, with_field

# Registered brains share more of their voxels than this, even where they differ in age.
OVERLAP_AT_LEAST = 0.85


@dataclass(frozen=True)
class FitRun:
    """What came of a fit.

    Parameters
    ----------
    folder : Path
        Of the model.
    method : str
    reference : str
    sites : tuple of str
        Those with a change of their own; empty where every image is served.
    cases : mapping of str to int
        Cases it was fitted on, by site.
    modalities : tuple of str
    unread : tuple of Unread
        Cases left out because they cannot be read.
    notes : tuple of str
        What the user must know.
    """

    folder: Path
    method: Method
    reference: str
    sites: tuple[str, ...]
    cases: dict[str, int]
    modalities: tuple[str, ...]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FitEstimate:
    """What a fit would do: its training cases, by site, and what is wrong with them."""

    cases: dict[str, int]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def fit_baseline(
    cohort: str | Path,
    folder: str | Path,
    *,
    method: Method,
    site: str,
    reference: str,
    modalities: Sequence[str] = (),
    grid: Grid = "common",
    smooth: float | None = None,
    alike: Sequence[str] = (),
    despite_differences: bool = False,
    id_column: str | None = None,
    progress: CaseProgress = lambda outcome, done, total: None,
) -> FitRun:
    """Fit a translation of images that needs neither torch nor a GPU.

    Where the cohort has a column ``split``, it is fitted on the rows that say ``train`` alone.

    Parameters
    ----------
    cohort : path
        Table as ``preprocess`` writes it.
    folder : path
        Of the model, for :func:`~harmonize_kit.flows.translate.translate_cohort`; a fitted
        translation that is there is replaced.
    method, grid, smooth
        See :class:`~harmonize_kit.config.translate_fit.FitConfig`.
    site : str
        Column of the sites.
    reference : str
        The site whose look images get.
    modalities : sequence of str
        Those to take, as channels in this order; none means all.
    alike : sequence of str
        Covariates in which the sites must not differ beyond the bounds of
        :class:`~harmonize_kit.config.translate.DifferencesConfig`, for the methods with a change
        for each site: what differs is taken for the scanner. Where none is named, columns called
        as age and sex are compared, and differences told.
    despite_differences : bool
        Whether to fit though they do, and say so.
    id_column : str, optional
    progress : callable
        Told of each case that was read.

    Raises
    ------
    TableError, ConfigError, DesignError
        If the cohort or a choice is not usable, a site has fewer than two training cases, or sites
        differ in covariates.
    NothingSucceededError
        If no case of a site can be read.
    """
    config = FitConfig(method=method, grid=grid, smooth=smooth)
    found = _begin(Path(cohort), Path(folder), config, site, reference, modalities, id_column)
    differing = _require_alike(found, config.method, alike, reference, despite=despite_differences)
    summaries = summarize_cases(found.cases, config, progress)
    if config.method in BY_IMAGE:
        values = [one.values for one in summaries.by_site[reference]]
        model: ByImage | BySite = fit_by_image(values, config.method, found.modalities, reference)
        notes: list[str] = []
    else:
        model, notes = _fit_by_site(summaries, config, found.modalities, reference, progress)
    sites = () if isinstance(model, ByImage) else tuple(model.maps)
    told = FittedOn(
        config=config, modalities=found.modalities, reference=reference, sites=sites,
        cases=summaries.counts, left_out=len(summaries.unread),
        trained_on_sha256=summaries.digest,
    )  # fmt: skip
    with writing(Path(folder)):
        save_fitted(model, told, Path(folder))
    return FitRun(
        Path(folder), config.method, reference, sites, summaries.counts, found.modalities,
        summaries.unread, (*found.notes, *differing, *notes),
    )  # fmt: skip


def estimate_fit(
    cohort: str | Path,
    folder: str | Path,
    config: FitConfig,
    site: str,
    reference: str,
    modalities: Sequence[str] = (),
    id_column: str | None = None,
) -> FitEstimate:
    """Tell what :func:`fit_baseline` would do, and do nothing."""
    found = _begin(Path(cohort), Path(folder), config, site, reference, modalities, id_column)
    problems: list[str] = []
    for case in found.cases:
        if case.lacks:
            problems.append(f"{case.id}: MISSING_FILE: {case.lacks}")
            continue
        paths = (*case.source.case.images.values(), case.source.brain_mask, case.source.case.mask)
        absent = [Path(path).name for path in paths if path and not Path(path).exists()]
        problems += [f"{case.id}: MISSING_FILE: there is no file {name}" for name in absent]
    counts = {name: sum(case.site == name for case in found.cases) for name in found.sites}
    return FitEstimate(counts, tuple(problems), found.notes)


def _begin(
    path: Path,
    folder: Path,
    config: FitConfig,
    site: str,
    reference: str,
    modalities: Sequence[str],
    id_column: str | None,
) -> TranslationCohort:
    """Return the cases to fit on, once it is sure that the model may be written."""
    FORMAT.require_free(folder)
    found = read_translation_cohort(path, modalities, site, id_column)
    found = training_cases(found, ())
    sites = found.sites
    if reference not in sites:
        raise ConfigError(
            f"there is no training case of the reference '{reference}'. "
            f"{did_you_mean(reference, sites)}"
        )
    if config.method in BY_IMAGE:
        # What others look like has no part in what images are brought to.
        return replace(found, cases=tuple(c for c in found.cases if c.site == reference))
    if len(sites) < 2:
        raise ConfigError(
            f"{config.method} needs training cases of two sites or more, got '{reference}' alone"
        )
    return found


def _require_alike(
    cohort: TranslationCohort, method: Method, names: Sequence[str], reference: str, *,
    despite: bool,
) -> list[str]:  # fmt: skip
    """Return in what covariates sites differ beyond the bounds; refuse it unless ``despite``.

    Columns of age and sex that nobody named are told of, and not refused.
    """
    if method in BY_IMAGE:
        if names:
            raise ConfigError(f"{method} looks at no site beside the reference; leave out --alike")
        return []
    columns, _ = compared_columns(cohort, names or None, ())
    found = differences_as_they_are(training_cases(cohort, columns), columns, reference)
    told = require_alike(found, DifferencesConfig(), despite=True)
    if told and names and not despite:
        raise DesignError(
            f"sites differ in more than their scanners, which {method} would take for the "
            f"scanners': {'; '.join(told)}. Fit on cases that are alike, or say "
            "--despite-differences where you know better",
            told,
        )
    return [f"sites differ in {text}" for text in told]


def _fit_by_site(
    summaries: Summaries,
    config: FitConfig,
    modalities: tuple[str, ...],
    reference: str,
    progress: CaseProgress,
) -> tuple[BySite, list[str]]:
    others = sorted(site for site in summaries.by_site if site != reference)
    curves: dict[str, SiteCurve] = {}
    if config.method != "atlas-template":
        values = {site: [one.values for one in own] for site, own in summaries.by_site.items()}
        curves = {site: mean_curve(values[site], values[reference]) for site in others}
    if config.method not in ON_GRID:
        return BySite(modalities, reference, curves, None), []
    grid = common_grid(summaries, config)
    width = config.smoothing / voxel_length(summaries, grid)

    def images(site: str) -> ImagesOnGrid:
        return ImagesOnGrid(summaries.by_site[site], grid, progress)

    ours = MeanImage.of(images(reference), reference)
    told = _overlap(ours, reference, grid)
    maps: dict[str, SiteMap] = {}
    for site in others:
        if curves:
            maps[site] = with_field(curves[site], images(site), ours, width)
        else:
            theirs = MeanImage.of(images(site), site)
            told += _overlap(theirs, site, grid)
            maps[site] = AtlasTemplate.fit(theirs, ours, width)
    return BySite(modalities, reference, maps, grid), told


def _overlap(mean: MeanImage, site: str, grid: AtlasGrid) -> list[str]:
    if mean.overlap >= OVERLAP_AT_LEAST:
        return []
    remedy = (
        "were they registered to one template? (harmonize-kit preprocess --stages register, or "
        "--grid box)" if grid.kind == "common" else "look at the brain masks"
    )  # fmt: skip
    return [
        f"of site '{site}', {1 - mean.overlap:.0%} of the brains' voxels lie where most of its "
        f"other brains have none: {remedy}"
    ]
