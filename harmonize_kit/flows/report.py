"""report: feature tables in, a scorecard and its page out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.flows.cohort_images import JudgedImages, judge_cohort_images
from harmonize_kit.flows.fit import model_digest
from harmonize_kit.flows.judgement import compare, report
from harmonize_kit.flows.models import load_fitted
from harmonize_kit.flows.report_material import failures_beside
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.provenance import RunRecord, digest_file


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
    images: Mapping[str, Path] | None = None,
    true_images: Path | None = None,
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
    images : mapping of str to Path, optional
        By candidate, the first of which is the state before: cohort tables of the images the
        features were measured in, to be judged and shown too. The first one's masks are lesions.
    true_images : Path, optional
        Cohort table of the same cases on the scanner that is aimed at.

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
            "images": {name: path.name for name, path in (images or {}).items()},
            "true_images": None if true_images is None else true_images.name,
            "compare": config.model_dump(mode="json"),
        },
        {
            f"{name}: {path.name}": digest_file(path)
            for name, source in tables.items()
            for path in source.paths
        }
        | {f"images of {name}": digest_file(path) for name, path in (images or {}).items()},
    )
    card = compare(
        read, site=site, biology=biology, outcome=outcome, subject=subject, config=config
    )
    judged = (
        judge_cohort_images(images, true_images, site, subject, config, show_ids=show_ids)
        if images
        else JudgedImages((), {}, ("before", "after"))
    )
    card = card.with_scores(judged.scores)
    counts = {"cases": card.about.get("n_cases"), "features": card.about.get("n_features")}
    made = record.finish(**counts)
    methods = {name: told for name, table in read.items() if (told := _how_made(table))}
    page = report(
        card, folder, title=title, provenance=made, methods=methods, show_ids=show_ids,
        models=fitted, table=next(iter(read.values())) if fitted else None,
        failures=failures_beside({name: source.path for name, source in tables.items()}),
        images=judged.shown, image_labels=judged.labels,
    )  # fmt: skip
    return card, page


def _how_made(table: FeatureTable) -> str:
    """Say in a sentence what the sidecar of a table knows of its making."""
    made_by = table.made_by
    if made_by.get("command") == "fit":
        return (
            f"Harmonized by model {made_by.get('model')}, which was fitted to these very cases: "
            "held-out scores are not truly held out."
        )
    if made_by.get("command") == "apply":
        return f"Harmonized by the saved model {made_by.get('model')}."
    return "As extracted." if made_by.get("command") == "extract" else ""
