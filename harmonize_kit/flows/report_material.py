"""What a report shows beside the scores, made of models, tables, volumes and failures."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.combat import Fitted, SiteTransformer, known_cases, parts_of
from harmonize_kit.compare.images import ImageCase, measure_case
from harmonize_kit.compare.lesion_contrast import lesion_contrast
from harmonize_kit.compare.ratings import RatingSummary
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import GeometryError, NotFittedError
from harmonize_kit.flows.compare_images import foreground
from harmonize_kit.report.material import ImageChange, Material, SiteEstimates, TrainingRange
from harmonize_kit.report.reader_ratings import ReaderRatings

Model = SiteTransformer | Fitted
Array = NDArray[np.float64]


def material_of(
    models: Mapping[str, Model] | None = None,
    table: FeatureTable | None = None,
    images: Mapping[str, Sequence[Volume]] | None = None,
    failures: Mapping[str, Mapping[str, int]] | None = None,
    labels: Sequence[str] = ("before", "after"),
    regions: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Material:
    """Return what is shown beside the scores.

    Parameters
    ----------
    models : mapping of str to fitted model, optional
        By candidate: models whose shrinkage is shown.
    table : FeatureTable, optional
        Cases whose covariates and sites are held against what the models were fitted on.
    images : mapping of str to sequence of Volume, optional
        By name: an image before, and as each candidate has it; the mask of the first is its lesion.
    failures : mapping, optional
        By table: number of cases by reason code.
    labels : sequence of str
        What these are, in their order.
    regions : mapping of str to ndarray of bool, shape (z, y, x), optional
        By name of the image: the voxels that are its content, such as the brain.

    Raises
    ------
    NotFittedError
        If a model was not fitted.
    GeometryError
        If an image lies on another grid after than before.
    """
    fitted = {name: _fitted(name, model) for name, model in (models or {}).items()}
    ranges = [found for name, model in fitted.items() for found in _ranges(name, model, table)]
    return Material(
        shrinkage=tuple(found for name, model in fitted.items() for found in _sites(name, model)),
        ranges=tuple(ranges),
        unseen=_unseen(fitted, table),
        failures=dict(failures or {}),
        images=tuple(
            _image(name, states, labels, (regions or {}).get(name))
            for name, states in (images or {}).items()
        ),
    )


def reader_ratings(summary: RatingSummary) -> ReaderRatings:
    """Return what is shown of a reader study; the codes of readers are not."""
    return ReaderRatings(
        len(summary.readers),
        summary.n_items,
        summary.n_answered,
        tuple(asdict(found) for found in summary.estimates),
        tuple(asdict(found) for found in summary.agreements),
        summary.seconds,
    )


def failures_beside(tables: Mapping[str, Path]) -> dict[str, dict[str, int]]:
    """Return the number of cases by reason code from each ``failures.csv`` beside a table."""
    found: dict[str, dict[str, int]] = {}
    for name, path in tables.items():
        beside = path.parent / "failures.csv"
        if path.is_file() and beside.is_file():
            with beside.open(newline="", encoding="utf-8") as stream:
                counts = Counter(row["code"] for row in csv.DictReader(stream) if row.get("code"))
            if counts:
                found[name] = dict(counts)
    return found


def _fitted(name: str, model: Model) -> Fitted:
    if not isinstance(model, SiteTransformer):
        return model
    fitted: Fitted | None = getattr(model, "model_", None)
    if fitted is None:
        raise NotFittedError(f"model '{name}': expected a fitted model; call fit first")
    return fitted


def _sites(name: str, fitted: Fitted) -> Sequence[SiteEstimates]:
    """Return the site effects of each part of a model, without what it passed through."""
    parts = parts_of(fitted)
    return [
        SiteEstimates(
            name if len(parts) == 1 else f"{name}, {part.config.site}",
            part.sites,
            part.counts,
            *(
                array[:, ~part.passed_through]
                for array in (part.raw_location, part.location, part.raw_scale, part.scale)
            ),
        )
        for part in parts
    ]


def _ranges(name: str, fitted: Fitted, table: FeatureTable | None) -> list[TrainingRange]:
    if table is None:
        return []
    design = parts_of(fitted)[0].design
    values = design.read(table.covariates, table.source)
    return [
        TrainingRange(
            name,
            covariate,
            design.ranges[covariate],
            (float(values.numbers[covariate].min()), float(values.numbers[covariate].max())),
            int(np.count_nonzero(flags)),
            len(flags),
        )
        for covariate, flags in design.beyond(values).items()
    ]


def _unseen(models: Mapping[str, Fitted], table: FeatureTable | None) -> dict[str, int]:
    """Return the cases of sites that some model does not know."""
    found: Counter[str] = Counter()
    for fitted in models.values() if table is not None else ():
        assert table is not None
        unknown = ~known_cases(fitted, table)
        sites = table.text(parts_of(fitted)[0].config.site)[unknown]
        found |= Counter(str(site) for site in sites)
    return dict(found)


def _image(
    name: str,
    states: Sequence[Volume],
    labels: Sequence[str],
    region: NDArray[np.bool_] | None,
) -> ImageChange:
    before, *after = states
    for volume in after:
        difference = before.geometry.difference(volume.geometry)
        if difference is not None:
            raise GeometryError(
                f"image '{name}': expected before and after on one grid, got {difference}; "
                "resample one to the other"
            )
    first, later = before.as_float(), tuple(volume.as_float() for volume in after)
    lesion = None if before.mask is None or not before.mask.any() else before.mask > 0
    inside = foreground(first) if region is None else region
    numbers = {
        label: _numbers(name, first, array, lesion, inside)
        for label, array in zip(labels[1:], later, strict=False)
    }
    return ImageChange(
        name, first, later, before.geometry.spacing, lesion, tuple(labels), numbers, region
    )  # fmt: skip


def _numbers(
    name: str,
    before: Array,
    after: Array,
    lesion: NDArray[np.bool_] | None,
    inside: NDArray[np.bool_],
) -> dict[str, float]:
    """Return how alike the two are, and how far the lesion stands out in each."""
    found = measure_case(ImageCase(name, before, after, inside, None, lesion))
    if lesion is not None:
        for when, array in (("before", before), ("after", after)):
            contrast = lesion_contrast(array, lesion, inside)
            if contrast is not None:
                found[f"lesion contrast {when}"] = contrast
    return found
