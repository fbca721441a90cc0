"""compare: feature tables and names of methods in, a scorecard and its page out.

Every method is refitted on the training cases of each fold, so that its held-out scores are of
cases it has not seen. Tables that were made beforehand, such as those of translated images, are
judged beside it as they are, and under each method.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from harmonize_kit.combat import parse_formula
from harmonize_kit.compare.candidates import Judged
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import HarmonizeWarning
from harmonize_kit.flows.cohort_images import ImageCohorts, judge_cohort_images
from harmonize_kit.flows.judged_cases import cases_left_out
from harmonize_kit.flows.judgement import compare, report
from harmonize_kit.flows.methods import (
    RAW,
    MethodChoices,
    check_methods,
    describe_method,
    fitted_to_all,
    side_candidates,
)
from harmonize_kit.flows.origin import how_made, origin_warnings
from harmonize_kit.flows.ratings import RatingFiles, summarize_rating_files
from harmonize_kit.flows.side_by_side import SideBySide, side_by_side
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.provenance import RunRecord


def compare_methods(
    source: TableInput,
    folder: Path,
    methods: Sequence[str],
    choices: MethodChoices,
    *,
    biology: Sequence[str] = (),
    outcome: str | None = None,
    config: CompareConfig | None = None,
    title: str = "Comparison of harmonization methods",
    show_ids: bool = False,
    others: Mapping[str, TableInput] | None = None,
    split: Sequence[str] = (),
    images: ImageCohorts | None = None,
    ratings: RatingFiles | None = None,
) -> tuple[Scorecard, Path]:
    """Judge methods on one table, refitting each inside the folds, and write the report.

    Features with missing cells are left out for all methods alike, since not every method takes
    them. The page's diagnostics of a method (shrinkage, range of training) are of its fit to all
    cases, as it would be published; the held-out scores are of the refits.

    Parameters
    ----------
    source : TableInput
    folder : Path
        Where ``report.html``, ``report.json``, ``scores.csv`` and ``figures/`` go.
    methods : sequence of str
        Out of :data:`~harmonize_kit.flows.methods.METHODS`; raw is put in front.
    choices : MethodChoices
        Site, subjects, and what the methods preserve.
    biology, outcome, config, title, show_ids
        As in :func:`~harmonize_kit.flows.report.report_tables`.
    others : mapping of str to TableInput, optional
        By name: tables of the same cases that were made beforehand, such as ``cyclegan``. Each is
        judged as it is, and as ``cyclegan+combat`` under each method, refitted on it. Only cases
        and features that all tables have are judged.
    split : sequence of str
        Parts of column ``split`` to judge, see :func:`~harmonize_kit.flows.judged_cases`.
    images : ImageCohorts, optional
        Images the features were measured in, by candidate.
    ratings : RatingFiles, optional
        Of a reader study of these images.

    Raises
    ------
    ConfigError
        If a method is unknown or lacks a choice it needs.
    TableError, CovariateError, DesignError
        If a table cannot be read or goes with no other, a method cannot be fitted to it (the
        error's notes name the method), or site and biology cannot be judged; nothing is written.
    CaseError
        If an image cannot be read, or those of a case lie on different grids.
    DependencyError
        If a method's package is not installed.
    """
    names = check_methods(methods, choices)
    config = config or CompareConfig()
    sources = {RAW: source, **(others or {})}
    read = {name: _read(one, choices, biology, outcome) for name, one in sources.items()}
    same = [choices.site, *([choices.subject] if choices.subject else [])]
    joined = side_by_side(read, same, split)
    table = joined.tables[RAW]
    files = {} if images is None else images.files
    files |= {} if ratings is None else ratings.files
    read_by = (
        None
        if ratings is None
        else summarize_rating_files(
            ratings.ratings, ratings.key, bootstraps=config.bootstraps, seed=config.seed
        )
    )
    record = _record(sources, names, choices, biology, outcome, config, split, files)
    candidates = side_candidates(names, choices, joined.tables)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", HarmonizeWarning)
        card = compare(
            candidates,
            site=choices.site, biology=biology, outcome=outcome, subject=choices.subject,
            table=table, config=config,
        )  # fmt: skip
    # Methods meet the same sites and say the same of them; each thing is told once.
    told = list(dict.fromkeys(str(entry.message) for entry in caught))
    first = [*joined.warnings, *origin_warnings(read, table.ids)]
    card = _told(card, joined, first, told)
    judged = judge_cohort_images(
        images, choices.site, choices.subject, config, show_ids=show_ids, only=table.ids
    )
    made = record.finish(cases=len(table.ids), features=card.about["n_features"])
    page = report(
        card.with_scores(judged.scores), folder, title=title, provenance=made,
        methods=_sentences(candidates, names, choices, read, table), show_ids=show_ids,
        models=fitted_to_all(candidates, table), table=table, images=judged.shown,
        image_labels=judged.labels, guards=judged.guards, image_regions=judged.regions,
        ratings=read_by,
    )  # fmt: skip
    return card, page


def _read(
    source: TableInput, choices: MethodChoices, biology: Sequence[str], outcome: str | None
) -> FeatureTable:
    """Read the table; whatever bears another role is no feature."""
    named = {choices.site, *biology, *choices.categorical, *choices.smooth, *choices.batches}
    named |= {name for name in (outcome, choices.subject) if name is not None}
    return source.read(not_features=named | {*parse_formula(choices.preserve).columns})


def _record(
    sources: Mapping[str, TableInput],
    names: Sequence[str],
    choices: MethodChoices,
    biology: Sequence[str],
    outcome: str | None,
    config: CompareConfig,
    split: Sequence[str],
    beside: Mapping[str, Path],
) -> RunRecord:
    """Begin the record of the run; other tables are in it where there are any."""
    others = {name: one.path.name for name, one in sources.items() if name != RAW}
    more = {"with": others, "split": list(split)} if others or split else {}
    files = {path.name: path for path in sources[RAW].paths}
    files |= {f"{name}: {one.path.name}": one.path for name, one in sources.items() if name != RAW}
    return RunRecord(
        "compare",
        {
            "table": sources[RAW].path.name,
            "methods": list(names),
            **asdict(choices),
            "biology": list(biology),
            "outcome": outcome,
            **more,
            **({"beside": {name: path.name for name, path in beside.items()}} if beside else {}),
            "compare": config.model_dump(mode="json"),
        },
        {name: digest_file(path) for name, path in (files | dict(beside)).items()},
    )


def _told(
    card: Scorecard, joined: SideBySide, first: Sequence[str], told: Sequence[str]
) -> Scorecard:
    """Return the scorecard with all that was left out, and warn of what the page warns of."""
    for message in (*first, *cases_left_out(joined.left_out_cases), *told):
        warnings.warn(message, HarmonizeWarning, stacklevel=3)
    left_out = {**joined.left_out_features, **card.about.get("left_out_features", {})}
    about = {
        **card.about,
        "left_out_features": left_out,
        "left_out_cases": dict(joined.left_out_cases),
        "warnings": [*first, *card.about.get("warnings", []), *told],
    }
    return replace(card, about=about)


def _sentences(
    candidates: Mapping[str, Judged],
    names: Sequence[str],
    choices: MethodChoices,
    read: Mapping[str, FeatureTable],
    table: FeatureTable,
) -> dict[str, str]:
    """Say of every candidate how it was made."""
    found = {name: describe_method(name, choices, table) for name in names}
    for other, one in list(read.items())[1:]:
        found[other] = how_made(one) or "Made beforehand: as it is, nothing is refitted"
        found |= {
            f"{other}+{name}": describe_method(name, choices, table, other)
            for name in names if name != RAW
        }  # fmt: skip
    return {name: found[name] for name in candidates}
