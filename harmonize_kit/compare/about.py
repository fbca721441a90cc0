"""What a comparison was made of, as plain objects: the frame around its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harmonize_kit.compare.arrays import positions
from harmonize_kit.compare.candidates import Candidates
from harmonize_kit.compare.confounding import (
    by_site,
    condition_number,
    overlap,
    warnings_of_design,
)
from harmonize_kit.compare.covariates import share_between_sites
from harmonize_kit.compare.extrapolation import held_out_ranges
from harmonize_kit.compare.folds import CrossValidation
from harmonize_kit.compare.notes import constant_features, left_out_sites
from harmonize_kit.compare.site_findings import SiteFindings
from harmonize_kit.compare.study import Study
from harmonize_kit.config.compare import CompareConfig


def describe(
    study: Study,
    candidates: Candidates,
    split: CrossValidation | None,
    explained_variance: tuple[float, float],
    config: CompareConfig,
) -> dict[str, Any]:
    """Return the frame of the comparison; everything in it can be written as JSON."""
    cases = np.bincount(study.site, minlength=len(study.sites))
    known = list({c.name: c for c in (*study.biology, study.outcome) if c is not None}.values())
    return {
        "site": study.site_name,
        "biology": [covariate.describe() for covariate in study.biology],
        "outcome": None if study.outcome is None else study.outcome.describe(),
        "subject": study.subject_name,
        "sites": {name: int(count) for name, count in zip(study.sites, cases, strict=True)},
        "n_cases": len(study.ids),
        "n_subjects": len(np.unique(study.subject)),
        "n_features": len(candidates.names),
        "left_out_features": dict(candidates.left_out),
        "constant_features": {
            member.name: [candidates.names[column] for column in positions(member.constant)]
            for member in candidates.members
            if member.constant.any()
        },
        "left_out_sites": left_out_sites(study, split),
        "covariates_by_site": {
            covariate.name: by_site(covariate, study.site, study.sites) for covariate in known
        },
        "overlap": {
            covariate.name: {
                name: float(share)
                for name, share in zip(study.sites, overlap(covariate, study.site), strict=True)
            }
            for covariate in known
        },
        "held_out_ranges": held_out_ranges(known, split),
        "condition_number": condition_number(study.site, study.biology_columns),
        "folds": config.folds,
        "permutations": config.permutations,
        "bootstraps": config.bootstraps,
        "seed": config.seed,
        "settings": config.model_dump(mode="json"),
        "candidates": {
            member.name: "table"
            if member.harmonizer is None
            else "harmonizer refitted in each fold" + ("" if member.on_raw else " on its own table")
            for member in candidates.members
        },
        "explained_variance": list(explained_variance),
        "axes": f"principal axes of '{candidates.members[0].name}', shared by all candidates",
        "warnings": _warnings(study, candidates, split, config),
    }


def describe_site(found: Mapping[str, SiteFindings]) -> dict[str, Any]:
    """Return by candidate what belongs to no single score: pairs of sites, and shares of variance.

    ``site_pairs`` lists, for each pair of sites, median absolute Cohen's d over features,
    Mahalanobis distance and covariance distance; ``variance_partition`` the mean share of a
    feature's variance that goes with site, each covariate, what they share, the subject where
    subjects repeat, and none of these.
    """
    return {
        "site_pairs": {name: list(findings.pairs) for name, findings in found.items()},
        "variance_partition": {
            name: {
                part: {
                    "value": share.value,
                    "interval": None if share.interval is None else list(share.interval),
                }
                for part, share in findings.partition.items()
            }
            for name, findings in found.items()
        },
    }


def _warnings(
    study: Study, candidates: Candidates, split: CrossValidation | None, config: CompareConfig
) -> list[str]:
    counts = study.subjects_per_site
    small = [
        f"{name} ({count})"
        for name, count in zip(study.sites, counts, strict=True)
        if count < config.small_site
    ]
    warnings: list[str] = []
    if small:
        warnings.append(
            f"sites with fewer than {config.small_site} subjects are poorly known: "
            f"{', '.join(small)}"
        )
    if split is None:
        warnings.append(
            f"fewer than two sites have {config.folds} subjects: site classification and "
            "prediction were not made"
        )
    for covariate in (*study.biology, study.outcome):
        if covariate is None:
            continue
        share = share_between_sites(covariate, study.site)
        if share > config.confounding:
            warnings.append(
                f"'{covariate.name}' is confounded with site, which explains {share:.0%} of it: "
                "site effect and biology can hardly be told apart"
            )
    warnings += warnings_of_design(study.site, study.sites, study.biology, study.biology_columns)
    if study.repeated:
        warnings.append(
            "subjects have several cases: p and q of single features treat cases as independent "
            "and are too small; intervals and nulls keep subjects together"
        )
    warnings += [
        f"candidate '{member.name}': {note}"
        for member in candidates.members
        if (note := constant_features(member))
    ]
    return list(dict.fromkeys(warnings))
