"""federate: sites send sums, never cases; from the sums comes the model of all.

summarize, at each site: a feature table and the plan in, a message of sums out.
combine, at one place: the messages of all sites in, what follows from them out.
finish, at a site or for all of them: what was combined and messages in, a model out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harmonize_kit.combat import (
    Combination,
    FittedComBat,
    Summary,
    describe_combination,
    describe_summary,
    named_columns,
    parse_formula,
    restore_combination,
    restore_summary,
)
from harmonize_kit.combat import combine as combine_summaries
from harmonize_kit.combat import finish as finish_sites
from harmonize_kit.combat import summarize as summarize_sites
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.config.load import load_file
from harmonize_kit.errors import ConfigError, InputError, IntegrityError
from harmonize_kit.flows.models import save
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.provenance import versions
from harmonize_kit.storage.messages import MESSAGE


def summarize(
    source: TableInput, plan: Path, output: Path, *, minimum_cases: int | None = None
) -> Summary:
    """Write a message of the sums over each site of a table.

    Parameters
    ----------
    source : TableInput
    plan : Path
        YAML or JSON of :class:`FederationPlan`, the same at every site.
    output : Path
        Folder of the message.
    minimum_cases : int, optional
        Fewest cases behind a sum, where this site wants more of them than the plan asks for.

    Raises
    ------
    DesignError
        If the sums would tell of single cases.
    ConfigError, TableError, CovariateError
        If plan or table cannot be read, or do not fit each other; nothing is written.
    """
    known = load_file(plan, FederationPlan)
    named = {*named_columns(known), *parse_formula(known.preserve).columns, *known.smooth}
    if known.features and source.features:
        raise ConfigError(f"{plan}: the plan names the features; leave --features out")
    if known.features:
        source = replace(source, features=known.features)
    summary = summarize_sites(known, source.read(not_features=named), minimum_cases)
    MESSAGE.save(output, *describe_summary(summary), made_by={"versions": versions()})
    return summary


def combine(messages: Sequence[Path], output: Path) -> Combination:
    """Write what follows from the sums of all sites.

    Raises
    ------
    ConfigError, DesignError
        If messages do not belong together, or site and covariates cannot be told apart.
    IntegrityError
        If a message was damaged, changed, or written by a newer version.
    """
    if output.resolve() in {path.resolve() for path in messages}:
        raise ConfigError(f"{output} is one of the messages; choose another name with -o")
    combination = combine_summaries([_summary(path) for path in messages], output.name)
    MESSAGE.save(output, *describe_combination(combination), made_by={"versions": versions()})
    return combination


def finish(combination: Path, messages: Sequence[Path], model: Path) -> FittedComBat:
    """Save the model of the sites whose messages are given.

    Raises
    ------
    IntegrityError
        If a message was damaged, changed, written by a newer version, or is not the one that was
        combined.
    ConfigError, TableError
        If messages do not belong together, or there are too few features to shrink over.
    """
    stored = MESSAGE.load(combination)
    try:
        known = restore_combination(stored.kind, stored.document, stored.arrays, str(combination))
    except InputError as error:
        raise IntegrityError(f"{combination}: {error}") from error
    fitted = finish_sites(known, [_summary(path) for path in messages], str(combination))
    save(fitted, model, federated=dict(known.digests), cases=sum(fitted.counts))
    return fitted


def _summary(path: Path) -> Summary:
    stored = MESSAGE.load(path)
    try:
        return restore_summary(stored.kind, stored.document, stored.arrays, str(path))
    except InputError as error:
        raise IntegrityError(f"{path}: {error}") from error
