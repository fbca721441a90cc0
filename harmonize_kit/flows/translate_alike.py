"""The refusal to train where sites differ in more than their scanners."""

from __future__ import annotations

from collections.abc import Sequence

from harmonize_kit.config.translate import DifferencesConfig
from harmonize_kit.errors import DesignError
from harmonize_kit.flows.translate_cohort import TranslationCohort
from harmonize_kit.translation.matching import Matching
from harmonize_kit.translation.site_differences import (
    SiteDifference,
    covariate_differences,
    lesion_differences,
    matched_differences,
)


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
    return [*lesions, *matched_differences(matching)]


def require_alike(
    found: Sequence[SiteDifference], bounds: DifferencesConfig, *, despite: bool
) -> list[str]:
    """Return what differs beyond the bounds, in sentences.

    Raises
    ------
    DesignError
        If anything does, unless ``despite`` says that this is known.
    """
    told: list[str] = []
    for one in found:
        bound = bounds.share if one.of_shares else bounds.standardised
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
