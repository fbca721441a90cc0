"""The figures of a report, by the section they stand in; what there is no data for is not drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.report.drawing.before_after import SITE, association, draw_before_after
from harmonize_kit.report.drawing.curves import draw_curves
from harmonize_kit.report.drawing.embedding import draw_embedding
from harmonize_kit.report.drawing.histograms import draw_histograms
from harmonize_kit.report.drawing.image_slices import MAX_IMAGES, SlicedImage, slice_image
from harmonize_kit.report.drawing.overlap import draw_overlap
from harmonize_kit.report.drawing.picture import Picture
from harmonize_kit.report.drawing.plane import draw_plane
from harmonize_kit.report.drawing.prediction import SITE_PREDICTION, draw_site_prediction
from harmonize_kit.report.drawing.score_panels import draw_scores
from harmonize_kit.report.drawing.shrinkage import draw_shrinkage
from harmonize_kit.report.drawing.site_pairs import draw_site_pairs
from harmonize_kit.report.drawing.variance import draw_variance
from harmonize_kit.report.frames import covariates_of
from harmonize_kit.report.material import Material
from harmonize_kit.report.topics import by_topic

SECTIONS = (
    "cohort", "site", "effects", "shrinkage", "biology", "subjects", "controls", "images",
    "comparison",
)  # fmt: skip
_ASSOCIATION_POINTS = 5000  # over the figures of all covariates


@dataclass(frozen=True)
class Pictures:
    """The figures of the page by section, and the images that are cut into slices."""

    by_section: Mapping[str, Sequence[Picture]]
    slices: tuple[SlicedImage, ...] = ()

    def __getitem__(self, section: str) -> Sequence[Picture]:
        return self.by_section.get(section, ())

    def __iter__(self) -> Iterator[Picture]:
        """Return the figures in the order in which the page numbers them."""
        return iter([picture for section in SECTIONS for picture in self[section]])


def draw_pictures(card: Scorecard, material: Material, show_ids: bool) -> Pictures:
    """Draw what there is data for."""
    images = material.images[:MAX_IMAGES]
    panels = _panels(card)
    found: dict[str, list[Picture | None]] = {
        "cohort": [draw_overlap(_mapping(card, "covariates_by_site"))],
        "site": _of_site(card, panels["site"], show_ids),
        "effects": [*panels["effects"].values(), draw_before_after(_in_order(card), SITE)],
        "shrinkage": [
            picture
            for number, estimates in enumerate(material.shrinkage, start=1)
            for picture in draw_shrinkage(estimates, number)
        ],
        "biology": [*panels["biology"].values(), *_of_biology(card)],
        "subjects": [*panels["subjects"].values()],
        "controls": [*panels["controls"].values()],
        "images": [*panels["images"].values(), draw_histograms(images)],
        "comparison": [draw_plane(card.about), *panels["comparison"].values()],
    }
    drawn = {
        section: [picture for picture in pictures if picture is not None]
        for section, pictures in found.items()
    }
    return Pictures(drawn, tuple(slice_image(image) for image in images))


def _panels(card: Scorecard) -> dict[str, dict[str, Picture | None]]:
    """Return the panels of each topic, by section."""
    found: dict[str, dict[str, Picture | None]] = {section: {} for section in SECTIONS}
    for topic, scores in by_topic(card).items():
        rest = [score for score in scores if not score.metric.startswith(SITE_PREDICTION)]
        found[topic.section][topic.key] = draw_scores(card, topic, rest)
    return found


def _of_site(
    card: Scorecard, panels: dict[str, Picture | None], show_ids: bool
) -> list[Picture | None]:
    variance = draw_variance(_mapping(card, "variance_partition"))
    if variance is not None:
        panels.pop("variance", None)  # the bars show more
    return [
        draw_site_prediction(card),
        panels.pop("site_prediction", None),
        draw_embedding(card.embeddings, card.about, show_ids),
        panels.pop("site_distance", None),
        draw_site_pairs(_mapping(card, "site_pairs")),
        panels.pop("site_mixing", None),
        variance,
        *panels.values(),
    ]


def _of_biology(card: Scorecard) -> list[Picture | None]:
    features = _in_order(card)
    covariates = covariates_of(features)
    limit = min(3000, _ASSOCIATION_POINTS // max(1, len(covariates)))
    return [
        *(
            draw_before_after(features, association(name, number), limit)
            for number, name in enumerate(covariates, start=1)
        ),
        *(
            draw_curves(name, entry, number)
            for number, (name, entry) in enumerate(_mapping(card, "curves").items(), start=1)
        ),
    ]


def _in_order(card: Scorecard) -> dict[str, pd.DataFrame]:
    """Return the per-feature tables in the order of the candidates, none without the first's."""
    if card.candidates[0] not in card.features:  # then nothing is known of the state before
        return {}
    return {name: card.features[name] for name in card.candidates if name in card.features}


def _mapping(card: Scorecard, key: str) -> Mapping[str, Any]:
    """Return a part of what the comparison says of itself, empty where it does not say it."""
    return cast(Mapping[str, Any], card.about.get(key) or {})
