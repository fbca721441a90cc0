"""The refusal to train where sites differ in more than their scanners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harmonize_kit.config.translate import DifferencesConfig
from harmonize_kit.errors import DesignError
from harmonize_kit.flows.translate_cohort import (
    TranslationCohort,
    column_of,
    lacking,
    training_cases,
)
from harmonize_kit.storage.identity import find_column
from harmonize_kit.translation.matching import Matching
from harmonize_kit.translation.site_differences import (
    Measure,
    SiteDifference,
    covariate_differences,
    lesion_differences,
    load_differences,
    matched_differences,
)

# What is compared where nothing is said, and the names of the columns that tell it.
RECOGNISED = {"age": ("age", "age_at_scan", "age_years"), "sex": ("sex", "gender")}


def compared_columns(
    cohort: TranslationCohort, named: Iterable[str] | None, matched: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns in which sites must be alike as they are, and notes.

    Parameters
    ----------
    cohort : TranslationCohort
        The training cases.
    named : iterable of str, or None
        What the user says; None takes the columns of age and of sex, those that say something of
        every case and that batches are not matched on.
    matched : sequence of str
        Columns that batches are matched on.

    Raises
    ------
    TableError
        If a column is not there.
    """
    if named is not None:
        columns = [column_of(cohort.cohort, name) for name in named]
        return tuple(dict.fromkeys(columns)), ()
    found: list[str] = []
    why: list[str] = []
    for what, names in RECOGNISED.items():
        own = [find_column(cohort.cohort.columns, name) for name in names]
        column = next((one for one in own if one is not None), None)
        if column is None:
            why.append(f"{what} (no column '{names[0]}')")
        elif column not in matched:
            reason = _incomparable(cohort, what, column)
            why += [f"{what} ({reason})"] if reason else []
            found += [] if reason else [column]
    if not why:
        return tuple(found), ()
    return tuple(found), (
        f"sites were not compared in {' and '.join(why)}; a network learns whatever tells them "
        "apart: name columns to compare by --alike",
    )


def _incomparable(cohort: TranslationCohort, what: str, column: str) -> str:
    """Return why a column cannot be compared; empty where it can."""
    absent = lacking(cohort.cases, column)
    if absent:
        return f"'{column}' is missing for {len(absent)} of {len(cohort.cases)} cases"
    cases = training_cases(cohort, [column]).cases
    if what == "age" and any(isinstance(case.covariates[column], str) for case in cases):
        return f"'{column}' holds text"
    return ""


def differences_as_they_are(
    cohort: TranslationCohort, names: Sequence[str], reference: str
) -> list[SiteDifference]:
    """Return how sites differ from the reference in columns, before any image is read."""
    found: list[SiteDifference] = []
    for name in names:
        values = {
            site: [case.covariates[name] for case in cohort.cases if case.site == site]
            for site in cohort.sites
        }
        found += covariate_differences(name, values, reference)
    return found


def differences_as_drawn(matching: Matching) -> list[SiteDifference]:
    """Return how sites differ in lesions, and in what batches are matched on."""
    lesions = lesion_differences(matching.store, matching.reference)
    return [*lesions, *load_differences(matching), *matched_differences(matching)]


def require_alike(
    found: Sequence[SiteDifference], bounds: DifferencesConfig, *, despite: bool
) -> list[str]:
    """Return what differs beyond the bounds, in sentences.

    Raises
    ------
    DesignError
        If anything does, unless ``despite`` says that this is known.
    """
    limits: dict[Measure, float] = {
        "share": bounds.share, "mean": bounds.standardised, "ratio": bounds.lesion_load,
    }  # fmt: skip
    told: list[str] = []
    for one in found:
        bound = limits[one.measure]
        if one.difference > bound:
            told.append(one.sentence(bound))
    if told and not despite:
        raise DesignError(
            "sites differ in more than their scanners, which a network would learn as well: "
            f"{'; '.join(told)}. Train on cases that are alike, match on covariates (--match), or "
            "say --despite-differences where you know better",
            told,
        )
    return told
