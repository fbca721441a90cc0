"""Scores of the site family: what is left of the site, with what a reader must know beside it."""

from __future__ import annotations

from collections.abc import Sequence

from harmonize_kit.compare import notes
from harmonize_kit.compare.candidates import Candidate, Refit
from harmonize_kit.compare.panel import HeldOut, Panel
from harmonize_kit.compare.resampling import Estimate
from harmonize_kit.compare.site_classification import site_classification
from harmonize_kit.compare.site_findings import SiteFindings
from harmonize_kit.core.scorecard import Score

HIGHER_IS_BETTER = frozenset({"site_ilisi"})
VARIANCE_SHARE = "variance_share"


def site_scores(
    candidate: Candidate, panel: Panel, findings: SiteFindings, refits: Sequence[Refit]
) -> list[Score]:
    """Return the scores of the site family, and the variance shares of covariates beside them.

    There are none where the candidate left no feature that varies: a destroyed table shows no
    site, and a number that said so would read as success.

    Parameters
    ----------
    candidate : Candidate
    panel : Panel
    findings : SiteFindings
    refits : sequence of Refit
        The cross-validated cases as each fold sees them.
    """
    effect = findings.effect
    if effect.median is None or effect.significant is None:
        return []
    scores: list[Score] = []
    if panel.held_out is not None:
        scores += _classification(candidate, panel, panel.held_out, refits)
    estimates = {
        "site_partial_eta_squared_median": effect.median,
        "site_significant_fraction": effect.significant,
        **findings.estimates,
    }
    for metric, estimate in estimates.items():
        remark = notes.join(findings.remarks.get(metric, ""), notes.maker(candidate))
        scores.append(_score(candidate, panel, metric, estimate, remark))
    return scores + _shares(candidate, panel, findings)


def _classification(
    candidate: Candidate, panel: Panel, held_out: HeldOut, refits: Sequence[Refit]
) -> list[Score]:
    found = site_classification(
        [refit.table for refit in refits],
        held_out.site,
        panel.study.biology_columns[held_out.split.rows],
        held_out.across_sites,
        held_out.weights,
        panel.config,
    )
    accuracy = notes.join(notes.chance(panel.study, held_out.split), notes.refit(candidate))
    area = notes.join("each site against the rest, mean over sites", notes.refit(candidate))
    return [
        _score(candidate, panel, "site_balanced_accuracy_linear", found.linear, accuracy),
        _score(candidate, panel, "site_balanced_accuracy_nonlinear", found.nonlinear, accuracy),
        _score(candidate, panel, "site_auc_linear", found.linear_auc, area),
        _score(candidate, panel, "site_auc_nonlinear", found.nonlinear_auc, area),
    ]


def _shares(candidate: Candidate, panel: Panel, findings: SiteFindings) -> list[Score]:
    """Return the share of the variance of a feature that goes with site and with each covariate."""
    covariates = [covariate.name for covariate in panel.study.biology]
    return [
        Score(
            candidate.name,
            "biology" if name in covariates else "site",
            VARIANCE_SHARE,
            name,
            findings.partition[name].value,
            higher_is_better=name in covariates,
            interval=findings.partition[name].interval,
            note=notes.join(
                notes.maker(candidate),
                notes.constant_features(candidate),
                notes.interval_of(int((~candidate.constant).sum())),
            ),
        )
        for name in (panel.study.site_name, *covariates)
        if name in findings.partition
    ]


def _score(
    candidate: Candidate, panel: Panel, metric: str, estimate: Estimate, remark: str
) -> Score:
    held_out = metric.startswith(("site_balanced_accuracy", "site_auc"))
    refitted = candidate.harmonizer is not None and held_out
    higher = metric in HIGHER_IS_BETTER
    beyond = notes.above_null(estimate) if higher else notes.below_null(estimate, refitted=refitted)
    return Score(
        candidate.name,
        "site",
        metric,
        panel.study.site_name,
        estimate.value,
        higher_is_better=higher,
        interval=estimate.interval,
        null=estimate.null,
        note=notes.join(beyond, remark, notes.constant_features(candidate)),
    )
