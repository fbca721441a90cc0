"""compare and report as Python users call them.

These two bear the names of the rooms that do the work. The rooms' packages are imported here first
(they load nothing by themselves), so that at the root the functions keep the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from harmonize_kit.combat import SiteTransformer
    from harmonize_kit.compare.ratings import RatingSummary
    from harmonize_kit.config.compare import CompareConfig
    from harmonize_kit.core.harmonizer import Harmonizer
    from harmonize_kit.core.scorecard import Scorecard
    from harmonize_kit.core.table import FeatureTable
    from harmonize_kit.core.volume import Volume
    from harmonize_kit.flows.report_material import Model

    Given = FeatureTable | Harmonizer | SiteTransformer

for _room in ("compare", "report"):
    import_module(f"harmonize_kit.{_room}")


def compare(
    candidates: Mapping[str, Given | tuple[FeatureTable, Harmonizer | SiteTransformer]],
    *,
    site: str,
    biology: Sequence[str] = (),
    outcome: str | None = None,
    subject: str | None = None,
    table: FeatureTable | None = None,
    truth: FeatureTable | None = None,
    config: CompareConfig | None = None,
) -> Scorecard:
    """Judge how much of the site each candidate leaves, and how much biology it keeps.

    A table is judged as it is; a harmonizer (or an unfitted estimator such as ``ComBat``) is
    refitted on the training cases of each fold of ``table``, which is what makes its held-out
    scores valid. A pair of a table and a harmonizer is the harmonizer refitted on that table. See
    :func:`harmonize_kit.compare.judge.compare` for parameters and errors.

    Examples
    --------
    >>> hk.compare({"raw": table, "combat": hk.ComBat(preserve="age")},
    ...            site="site", biology=["age"], table=table)  # doctest: +SKIP
    >>> combat = hk.ComBat(preserve="age")  # beside the features of translated images
    >>> hk.compare({"raw": table, "combat": combat, "cyclegan": translated,
    ...             "cyclegan+combat": (translated, combat)},
    ...            site="site", biology=["age"], table=table)  # doctest: +SKIP
    """
    from harmonize_kit.combat import SiteTransformer
    from harmonize_kit.compare.judge import compare as judge

    def plain(item: Any) -> Any:
        if isinstance(item, tuple):
            return tuple(plain(part) for part in cast(tuple[Any, ...], item))
        return item.harmonizer() if isinstance(item, SiteTransformer) else item

    return judge(
        {name: plain(candidate) for name, candidate in candidates.items()},
        site=site, biology=biology, outcome=outcome, subject=subject, table=table, truth=truth,
        config=config,
    )  # fmt: skip


def report(
    scorecard: Scorecard,
    directory: str | Path,
    *,
    title: str = "Site-effect report",
    truth: pd.DataFrame | None = None,
    provenance: Mapping[str, Any] | None = None,
    methods: Mapping[str, str] | None = None,
    show_ids: bool = False,
    models: Mapping[str, Model] | None = None,
    table: FeatureTable | None = None,
    images: Mapping[str, Sequence[Volume]] | None = None,
    image_labels: Sequence[str] = ("before", "after"),
    failures: Mapping[str, Mapping[str, int]] | None = None,
    guards: Mapping[str, str | Path] | None = None,
    image_regions: Mapping[str, NDArray[np.bool_]] | None = None,
    ratings: RatingSummary | None = None,
) -> Path:
    """Write ``report.html``, ``report.json``, ``scores.csv`` and figures; return the page's path.

    Case ids stay out of the page unless ``show_ids`` is set, because it is made to be passed on.
    Fitted ``models`` by candidate add a section on their shrinkage and, with the ``table`` that is
    judged, on the range they were trained on; ``images`` by name, each before and as candidates
    have it, on one grid and in the order of ``image_labels``, a section of slices (and
    ``image_regions`` the voxels of each that are content); ``guards``, by candidate the folder that
    ``translate apply`` wrote, one on what was done to images; ``ratings`` one on what readers said.
    See :func:`harmonize_kit.report.write.write_report` and
    :func:`harmonize_kit.flows.report_material.material_of` for parameters and errors.

    Examples
    --------
    >>> hk.report(card, "report", models={"combat": combat}, table=table)  # doctest: +SKIP
    """
    from harmonize_kit.flows.guarded_images import guarded_images
    from harmonize_kit.flows.report_material import material_of, reader_ratings
    from harmonize_kit.report.write import write_report

    material = material_of(models, table, images, failures, image_labels, image_regions)
    if guards:
        cases = {str(case) for frame in scorecard.embeddings.values() for case in frame.index}
        found = guarded_images(guards, str(scorecard.about.get("site", "")), cases)
        material = replace(material, guarded=found)
    if ratings is not None:
        material = replace(material, ratings=reader_ratings(ratings))
    return write_report(
        scorecard, directory, title=title, truth=truth, provenance=provenance, methods=methods,
        show_ids=show_ids, material=material,
    )  # fmt: skip
