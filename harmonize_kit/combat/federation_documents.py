"""Messages between sites as plain documents and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from harmonize_kit.combat.agreed_design import AgreedCovariates, standardised_design
from harmonize_kit.combat.document import require_array, validated
from harmonize_kit.combat.federation import Combination
from harmonize_kit.combat.location_scale import Standardisation
from harmonize_kit.combat.site_summary import SUMS, Summary
from harmonize_kit.combat.sums import SiteSums
from harmonize_kit.config.federation import FederationPlan
from harmonize_kit.errors import IntegrityError

SUMMARY, COMBINATION = "summary", "combination"
Document = Mapping[str, Any]
Arrays = Mapping[str, NDArray[Any]]
Described = tuple[str, dict[str, Any], dict[str, NDArray[Any]]]


class SummaryDocument(BaseModel):
    """What ``message.json`` says of the sums of sites."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: FederationPlan
    columns: tuple[str, ...]
    features: tuple[str, ...]
    counts: dict[str, int]


class CombinationDocument(SummaryDocument):
    """What ``message.json`` says of what was combined."""

    digests: dict[str, str]


def describe_summary(summary: Summary) -> Described:
    """Return the kind, the document and the arrays of the sums of sites."""
    document = SummaryDocument(
        plan=summary.plan,
        columns=summary.columns,
        features=summary.features,
        counts={site: own.count for site, own in summary.sums.items()},
    )
    arrays = {
        name: np.stack([getattr(own, name) for own in summary.sums.values()]) for name in SUMS
    }
    return SUMMARY, document.model_dump(mode="json"), arrays


def restore_summary(kind: str, document: Document, arrays: Arrays, source: str) -> Summary:
    """Return the sums of sites that a message holds.

    Raises
    ------
    IntegrityError
        If it is a message of another kind, a field is absent or unknown, or an array has not the
        shape the document implies.
    """
    _require_kind(kind, SUMMARY, "as 'federate summarize' writes it", source)
    known = validated(SummaryDocument, document, source)
    _require_consistent(known, source)
    k, q, p = len(known.counts), len(known.columns), len(known.features)
    shapes = {"covariate_mean": (k, q), "feature_mean": (k, p), "squares": (k, p)}
    shapes |= {"gram": (k, q, q), "cross": (k, q, p)}
    own = {name: require_array(arrays, name, shapes[name], source) for name in SUMS}
    if set(arrays) != set(SUMS) or (own["squares"] < 0).any():
        raise IntegrityError(f"{source}: the arrays are not those of sums")
    sums = {
        site: SiteSums(count, *(own[name][at] for name in SUMS))
        for at, (site, count) in enumerate(known.counts.items())
    }
    return Summary(known.plan, known.columns, known.features, sums)


def describe_combination(combination: Combination) -> Described:
    """Return the kind, the document and the arrays of what was combined."""
    design, standard = combination.design, combination.standard
    document = CombinationDocument(
        plan=combination.plan,
        columns=design.names,
        features=combination.features,
        counts=dict(combination.counts),
        digests=dict(combination.digests),
    )
    arrays = {
        "design_centre": np.concatenate([design.centre, *(one.centre for one in design.smooths)]),
        "design_scale": design.scale,
        "grand_mean": standard.grand_mean,
        "coefficients": standard.coefficients,
        "pooled_sd": standard.pooled_sd,
        "passed_through": combination.passed_through,
    }
    return COMBINATION, document.model_dump(mode="json"), arrays


def restore_combination(kind: str, document: Document, arrays: Arrays, source: str) -> Combination:
    """Return what was combined; raises as :func:`restore_summary` does."""
    _require_kind(kind, COMBINATION, "as 'federate combine' writes it", source)
    known = validated(CombinationDocument, document, source)
    _require_consistent(known, source)
    if known.counts.keys() != known.digests.keys():
        raise IntegrityError(f"{source}: counts and digests are of different sites")
    if known.plan.reference is not None and known.plan.reference not in known.counts:
        raise IntegrityError(f"{source}: the reference is none of the sites")
    q, p = len(known.columns), len(known.features)
    agreed = AgreedCovariates.of(known.plan)
    parsed, terms = agreed.formula(known.plan), agreed.smooth_terms(known.plan.smooth)
    straight = q - sum(len(term.centre) for term in terms)
    shapes = {"design_centre": (q,), "design_scale": (straight,), "coefficients": (q, p)}
    shapes |= dict.fromkeys(("grand_mean", "pooled_sd", "passed_through"), (p,))
    own = {name: require_array(arrays, name, shape, source) for name, shape in shapes.items()}
    if (own["pooled_sd"] <= 0).any() or (own["design_scale"] <= 0).any():
        raise IntegrityError(f"{source}: a scale is negative")
    moments = own["design_centre"], own["design_scale"]
    return Combination(
        known.plan,
        standardised_design(parsed, agreed, terms, known.columns, moments, source),
        known.features,
        known.counts,
        known.digests,
        Standardisation(own["grand_mean"], own["coefficients"], own["pooled_sd"]),
        own["passed_through"].astype(np.bool_),
    )


def _require_kind(got: str, kind: str, how: str, source: str) -> None:
    if got != kind:
        raise IntegrityError(f"{source}: expected a {kind} {how}, got a {got}")


def _require_consistent(known: SummaryDocument, source: str) -> None:
    repeated = len(set(known.features)) < len(known.features)
    fewest: Mapping[str, int] = {
        site: count for site, count in known.counts.items() if count < known.plan.minimum_cases
    }
    if repeated or fewest or not known.counts:
        raise IntegrityError(
            f"{source}: features repeat, or a site has fewer cases than the plan allows"
        )
