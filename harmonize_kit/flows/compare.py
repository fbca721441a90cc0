"""compare: a feature table and names of methods in, a scorecard and its page out.

Every method is refitted on the training cases of each fold, so that its held-out scores are of
cases it has not seen.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from harmonize_kit.combat import parse_formula
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.core.table import FeatureTable
from harmonize_kit.errors import HarmonizeWarning, TableError
from harmonize_kit.flows.judgement import compare, report
from harmonize_kit.flows.methods import (
    MethodChoices,
    check_methods,
    describe_method,
    fitted_to_all,
    harmonizers,
)
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.provenance import RunRecord, digest_file


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

    Raises
    ------
    ConfigError
        If a method is unknown or lacks a choice it needs.
    TableError, CovariateError, DesignError
        If the table cannot be read, a method cannot be fitted to it (the error's notes name the
        method), or site and biology cannot be judged; nothing is written.
    DependencyError
        If a method's package is not installed.
    """
    names = check_methods(methods, choices)
    config = config or CompareConfig()
    table, left_out = _complete(_read(source, choices, biology, outcome))
    record = RunRecord(
        "compare",
        {
            "table": source.path.name,
            "methods": list(names),
            **asdict(choices),
            "biology": list(biology),
            "outcome": outcome,
            "compare": config.model_dump(mode="json"),
        },
        {path.name: digest_file(path) for path in source.paths},
    )
    candidates = harmonizers(names, choices, table)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", HarmonizeWarning)
        card = compare(
            candidates,
            site=choices.site, biology=biology, outcome=outcome, subject=choices.subject,
            table=table, config=config,
        )  # fmt: skip
    # Methods meet the same sites and say the same of them; each thing is told once.
    told = list(dict.fromkeys(str(entry.message) for entry in caught))
    for message in told:
        warnings.warn(message, HarmonizeWarning, stacklevel=2)
    about = {
        **card.about,
        "left_out_features": {**left_out, **card.about.get("left_out_features", {})},
        "warnings": [*card.about.get("warnings", []), *told],
    }
    card = replace(card, about=about)
    made = record.finish(cases=len(table.ids), features=about["n_features"])
    sentences = {name: describe_method(name, choices, table) for name in names}
    page = report(
        card, folder, title=title, provenance=made, methods=sentences, show_ids=show_ids,
        models=fitted_to_all(candidates, table), table=table,
    )  # fmt: skip
    return card, page


def _read(
    source: TableInput, choices: MethodChoices, biology: Sequence[str], outcome: str | None
) -> FeatureTable:
    """Read the table; whatever bears another role is no feature."""
    named = {choices.site, *biology, *choices.categorical, *choices.smooth, *choices.batches}
    named |= {name for name in (outcome, choices.subject) if name is not None}
    return source.read(not_features=named | {*parse_formula(choices.preserve).columns})


def _complete(table: FeatureTable) -> tuple[FeatureTable, dict[str, str]]:
    """Return the features without missing cells, and why the others are left out."""
    missing = np.isnan(table.values).sum(axis=0)
    left_out = {
        name: f"missing in {count} cases"
        for name, count in zip(table.names, missing.tolist(), strict=True)
        if count
    }
    if not left_out:
        return table, {}
    kept = [name for name in table.features.columns if str(name) not in left_out]
    if not kept:
        first, why = next(iter(left_out.items()))
        raise TableError(
            f"{table.source}: expected at least one feature without missing cells, got none "
            f"('{first}' is {why}); leave out the cases that lack cells"
        )
    return replace(table, features=table.features[kept]), left_out
