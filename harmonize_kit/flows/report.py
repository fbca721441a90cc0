"""report: feature tables in, a scorecard and its page out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import HarmonizeWarning
from harmonize_kit.flows.cohort_images import ImageCohorts, judge_cohort_images
from harmonize_kit.flows.fit import model_digest
from harmonize_kit.flows.judged_cases import JudgedCases, cases_left_out, judged_cases
from harmonize_kit.flows.judgement import compare, report
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.origin import how_made, is_translated, origin_warnings
from harmonize_kit.flows.ratings import RatingFiles, summarize_rating_files
from harmonize_kit.flows.report_material import failures_beside
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.provenance import RunRecord


def report_tables(
    tables: Mapping[str, TableInput],
    folder: Path,
    *,
    site: str,
    biology: Sequence[str] = (),
    outcome: str | None = None,
    subject: str | None = None,
    config: CompareConfig | None = None,
    title: str = "Site-effect report",
    show_ids: bool = False,
    models: Mapping[str, Path] | None = None,
    images: ImageCohorts | None = None,
    split: Sequence[str] = (),
    ratings: RatingFiles | None = None,
) -> tuple[Scorecard, Path]:
    """Judge tables side by side and write the report; the first is the state before.

    Parameters
    ----------
    tables : mapping of str to TableInput
    folder : Path
    site, biology, outcome, subject, config
        As in :func:`harmonize_kit.compare.judge.compare`.
    title, show_ids
        As in :func:`harmonize_kit.report.write.write_report`.
    models : mapping of str to Path, optional
        By candidate: saved models whose shrinkage and training range are shown.
    images : ImageCohorts, optional
        Images the features were measured in, by candidate, to be judged and shown too.
    split : sequence of str
        Parts of column ``split`` to judge, see :func:`~harmonize_kit.flows.judged_cases`; tables of
        translated images count as made by something that was trained.
    ratings : RatingFiles, optional
        Of a reader study of these images.

    Raises
    ------
    TableError, CovariateError, DesignError
        If a table cannot be read, or site and biology cannot be judged; nothing is written.
    ConfigError, IntegrityError
        If a model is not there, or was damaged or changed.
    CaseError
        If an image cannot be read, or those of a case lie on different grids.
    """
    config = config or CompareConfig()
    beside = {} if images is None else images.files
    beside |= {} if ratings is None else ratings.files
    read_by = (
        None
        if ratings is None
        else summarize_rating_files(
            ratings.ratings, ratings.key, bootstraps=config.bootstraps, seed=config.seed
        )
    )
    named = {name for name in (site, *biology, outcome, subject) if name is not None}
    fitted = {name: load_fitted(path)[0] for name, path in (models or {}).items()}
    read = {name: source.read(not_features=named) for name, source in tables.items()}
    record = RunRecord(
        "report",
        {
            "tables": {name: source.path.name for name, source in tables.items()},
            "site": site,
            "biology": list(biology),
            "outcome": outcome,
            "subject": subject,
            "models": {name: model_digest(model) for name, model in fitted.items()},
            **({"beside": {name: path.name for name, path in beside.items()}} if beside else {}),
            **({"split": list(split)} if split else {}),
            "compare": config.model_dump(mode="json"),
        },
        {
            f"{name}: {path.name}": digest_file(path)
            for name, source in tables.items()
            for path in source.paths
        }
        | {name: digest_file(path) for name, path in beside.items()},
    )
    origins = read
    read, cases = _judged(read, split)
    card = compare(
        read, site=site, biology=biology, outcome=outcome, subject=subject, config=config
    )
    told = [*cases.warnings, *origin_warnings(origins, cases.ids)]
    for message in (*told, *cases_left_out(cases.left_out)):
        warnings.warn(message, HarmonizeWarning, stacklevel=2)
    more = {"left_out_cases": dict(cases.left_out), "warnings": [*told, *card.about["warnings"]]}
    only = cases.ids if cases.left_out else None
    judged = judge_cohort_images(images, site, subject, config, show_ids=show_ids, only=only)
    card = replace(card, about={**card.about, **more}).with_scores(judged.scores)
    counts = {"cases": card.about.get("n_cases"), "features": card.about.get("n_features")}
    made = record.finish(**counts)
    methods = {name: told for name, table in read.items() if (told := how_made(table))}
    page = report(
        card, folder, title=title, provenance=made, methods=methods, show_ids=show_ids,
        models=fitted, table=next(iter(read.values())) if fitted else None,
        failures=failures_beside({name: source.path for name, source in tables.items()}),
        images=judged.shown, image_labels=judged.labels, guards=judged.guards,
        image_regions=judged.regions, ratings=read_by,
    )  # fmt: skip
    return card, page


def _judged(
    tables: Mapping[str, FeatureTable], split: Sequence[str]
) -> tuple[Mapping[str, FeatureTable], JudgedCases]:
    """Return the rows to judge of each table; that all hold the same cases is checked later."""
    learned = [name for name, table in tables.items() if is_translated(table)]
    cases = judged_cases(tables, learned, split)
    if not cases.left_out:
        return tables, cases
    kept = set(cases.ids)
    return {
        name: table.select([
            row for row, case in zip(table.features.index, table.ids, strict=True) if case in kept
        ])
        for name, table in tables.items()
    }, cases  # fmt: skip
