"""Harmonization methods by name, as a comparison refits them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from harmonize_kit.combat import Fitted, harmonizer_of, parse_formula
from harmonize_kit.compare.candidates import Judged
from harmonize_kit.config.combat import (
    ComBatConfig,
    CovBatConfig,
    LongitudinalComBatConfig,
    NestedComBatConfig,
    NeuroHarmonizeConfig,
)
from harmonize_kit.core.harmonizer import Harmonizer
from harmonize_kit.core.shown import shown
from harmonize_kit.core.table import FeatureTable, is_number_column
from harmonize_kit.errors import ConfigError, HarmonizeWarning, did_you_mean

RAW = "raw"
METHODS = (RAW, "combat", "combat-gam", "covbat", "longitudinal", "nested", "neuroharmonize")
# Fewer distinct values are scores or levels, which a line or indicators describe.
LEAST_DISTINCT = 10


@dataclass(frozen=True)
class MethodChoices:
    """What all methods of a comparison are told of the data.

    Parameters
    ----------
    site : str
        Column that names the site.
    preserve : str, optional
        Formula of the covariates whose effect is kept; None keeps none.
    categorical : sequence of str
        Covariates that are groups, though numbers.
    smooth : sequence of str
        Covariates of ``combat-gam`` and ``neuroharmonize`` with a smooth effect; where none is
        named, ``combat-gam`` takes every preserved number with ten or more distinct values, and
        ``neuroharmonize`` none.
    subject : str, optional
        Column that names the subject, for ``longitudinal``.
    batches : sequence of str
        Batch variables beside the site, for ``nested``.
    """

    site: str
    preserve: str | None = None
    categorical: Sequence[str] = ()
    smooth: Sequence[str] = ()
    subject: str | None = None
    batches: Sequence[str] = ()


def check_methods(names: Sequence[str], choices: MethodChoices) -> tuple[str, ...]:
    """Return the names with ``raw``, the state before, in front.

    Raises
    ------
    ConfigError
        If there is none, one is unknown or named twice, or one lacks the choice it needs.
    """
    if not names:
        raise ConfigError(f"expected methods to compare, got none; known are {', '.join(METHODS)}")
    for name in names:
        if name not in METHODS:
            raise ConfigError(
                f"expected methods out of {', '.join(METHODS)}, got '{name}'. "
                f"{did_you_mean(name, METHODS)}"
            )
        if list(names).count(name) > 1:
            raise ConfigError(f"the method '{name}' is named twice; name it once")
    if "longitudinal" in names and choices.subject is None:
        raise ConfigError("longitudinal needs to know the subjects; name their column (--subject)")
    if "nested" in names and not set(choices.batches) - {choices.site}:
        raise ConfigError(
            "nested takes out batch variables beside the site; name one or more (--batch)"
        )
    return tuple(sorted(names, key=lambda name: name != RAW))


def harmonizers(
    names: Sequence[str], choices: MethodChoices, table: FeatureTable
) -> dict[str, FeatureTable | Harmonizer]:
    """Return a candidate for each method: ``table`` itself for raw, else a harmonizer.

    Raises
    ------
    ConfigError
        If ``combat-gam`` finds no covariate that could have a smooth effect.
    CovariateError
        If the formula cannot be read.
    """
    return {
        name: table if name == RAW else harmonizer_of(_config(name, choices, table))
        for name in names
    }


def side_candidates(
    names: Sequence[str], choices: MethodChoices, tables: Mapping[str, FeatureTable]
) -> dict[str, Judged]:
    """Return the methods on the raw table, then each other table as it is and under each method.

    A table ``cyclegan`` and the method ``combat`` make ``cyclegan`` and ``cyclegan+combat``.

    Parameters
    ----------
    names : sequence of str
        Methods, raw first.
    choices : MethodChoices
    tables : mapping of str to FeatureTable
        By candidate, the raw one first.

    Raises
    ------
    ConfigError, CovariateError
        As of :func:`harmonizers`.
    """
    raw, *others = tables
    found: dict[str, Judged] = {**harmonizers(names, choices, tables[raw])}
    for other in others:
        found[other] = tables[other]
        for name, harmonizer in harmonizers(names, choices, tables[other]).items():
            if not isinstance(harmonizer, FeatureTable):
                found[f"{other}+{name}"] = (tables[other], harmonizer)
    return found


def fitted_to_all(candidates: Mapping[str, Judged], table: FeatureTable) -> dict[str, Fitted]:
    """Return each method fitted to all cases, for its diagnostics: no held-out score is of it."""
    found: dict[str, Fitted] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HarmonizeWarning)  # the comparison has told of it
        for name, candidate in candidates.items():
            if isinstance(candidate, FeatureTable):
                continue
            own, harmonizer = candidate if isinstance(candidate, tuple) else (table, candidate)
            found[f"{name}, fitted to all cases"] = cast(Fitted, harmonizer.fit(own))
    return found


def describe_method(name: str, choices: MethodChoices, table: FeatureTable, other: str = "") -> str:
    """Return in a sentence what a method is and what it was told; ``other`` names its table."""
    if name == RAW:
        return "The features as they are in the table"
    config = _config(name, choices, table)
    kept = [column for column in parse_formula(config.preserve).columns]
    straight = [column for column in kept if column not in config.smooth]
    parts = [f"smooth effects of {', '.join(config.smooth)}"] if config.smooth else []
    parts += [", ".join(straight)] if straight else []
    preserving = f"preserving {' and '.join(parts)}" if parts else "preserving no covariate"
    by = choices.site
    if isinstance(config, NestedComBatConfig):
        by = " and ".join(config.batches)
    kind = _KINDS[name].format(subject=choices.subject)
    kind += f" on the features of {shown(other)}" if other else ""
    return f"{kind} by {by}, {preserving}; refitted on the training cases of each fold"


_KINDS = {
    "combat": "ComBat",
    "combat-gam": "ComBat-GAM",
    "covbat": "CovBat",
    "longitudinal": "Longitudinal ComBat with subjects of column {subject}",
    "nested": "Nested ComBat",
    "neuroharmonize": "neuroHarmonize's own ComBat",
}


def _config(name: str, choices: MethodChoices, table: FeatureTable) -> ComBatConfig:
    site, preserve = choices.site, choices.preserve
    categorical = tuple(choices.categorical)
    if name == "combat-gam":
        smooth = tuple(choices.smooth) or _smoothable(choices, table)
        return ComBatConfig(site=site, preserve=preserve, categorical=categorical, smooth=smooth)
    if name == "neuroharmonize":
        return NeuroHarmonizeConfig(
            site=site, preserve=preserve, categorical=categorical, smooth=tuple(choices.smooth)
        )
    if name == "covbat":
        return CovBatConfig(site=site, preserve=preserve, categorical=categorical)
    if name == "longitudinal":
        return LongitudinalComBatConfig(
            site=site, preserve=preserve, categorical=categorical, subject=choices.subject or ""
        )
    if name == "nested":
        batches = tuple(dict.fromkeys((site, *choices.batches)))
        return NestedComBatConfig(preserve=preserve, categorical=categorical, batches=batches)
    return ComBatConfig(site=site, preserve=preserve, categorical=categorical)


def _smoothable(choices: MethodChoices, table: FeatureTable) -> tuple[str, ...]:
    """Return the preserved covariates that are numbers of many values."""
    parsed = parse_formula(choices.preserve)
    groups = {*choices.categorical, *parsed.categorical}
    found = tuple(
        column
        for column in parsed.columns
        if column in table.covariates.columns and column not in groups
        if is_number_column(table.covariates, column)
        if len(np.unique(table.number(column))) >= LEAST_DISTINCT
    )
    if not found:
        raise ConfigError(
            "combat-gam needs a covariate with a smooth effect, but none that is preserved is a "
            f"number of {LEAST_DISTINCT} or more distinct values; name one (--smooth) or leave the "
            "method out"
        )
    return found
