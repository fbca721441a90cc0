"""Scores of the negative controls, and sentences on those that failed."""

from __future__ import annotations

from scipy import stats

from harmonize_kit.compare import notes
from harmonize_kit.compare.candidates import Candidate
from harmonize_kit.compare.controls import planted_detection, planted_removal, unneeded_change
from harmonize_kit.compare.panel import Panel
from harmonize_kit.compare.partial_eta_squared import SiteEffect
from harmonize_kit.compare.resampling import Estimate
from harmonize_kit.core.scorecard import Score
from harmonize_kit.errors import HarmonizeError

HIGHER_IS_BETTER = frozenset(
    {"control_planted_found", "control_planted_removed", "control_marker_kept"}
)
NEEDLESS, REMOVED, KEPT = 0.1, 0.5, 0.8  # beyond which a control is said to have failed
IDLE = 1e-9
ALARMS = 3.0  # times the level


def control_scores(
    candidate: Candidate, panel: Panel, names: tuple[str, ...], effect: SiteEffect
) -> tuple[list[Score], list[str]]:
    """Return the scores of all controls that could be run, and warnings of those that failed.

    Parameters
    ----------
    candidate : Candidate
    panel : Panel
    names : tuple of str
        Features judged.
    effect : SiteEffect
        Of the candidate, for the false alarms its permutations raised.
    """
    warnings: list[str] = []
    found = _of_the_judge(candidate, panel, effect)
    if candidate.harmonizer is not None:
        try:
            found |= _of_the_harmonizer(candidate, panel, names)
        except HarmonizeError as error:
            warnings.append(
                f"candidate '{candidate.name}': negative controls could not be run, since a refit "
                f"failed: {error}"
            )
    warnings += [
        f"candidate '{candidate.name}': {sentence}" for sentence in _failures(found, panel)
    ]
    scores = [
        Score(
            candidate.name,
            "biology" if metric == "control_marker_kept" else "site",
            metric,
            panel.study.site_name,
            estimate.value,
            higher_is_better=metric in HIGHER_IS_BETTER,
            interval=estimate.interval,
            note=notes.CONTROLS[metric],
        )
        for metric, estimate in found.items()
    ]
    return scores, warnings


def _of_the_judge(candidate: Candidate, panel: Panel, effect: SiteEffect) -> dict[str, Estimate]:
    values = candidate.whole[:, ~candidate.constant]
    if not values.shape[1] or not len(panel.permutations):
        return {}
    config, study = panel.config, panel.study
    return {
        "control_false_alarms": _alarms(effect.alarms, len(panel.permutations)),
        **planted_detection(
            values,
            study.site,
            study.biology_columns,
            panel.permutations,
            config.seed,
            config.significance,
        ),
    }


def _of_the_harmonizer(
    candidate: Candidate, panel: Panel, names: tuple[str, ...]
) -> dict[str, Estimate]:
    seed, weights = panel.config.seed, panel.weights
    return {
        "control_unneeded_change": unneeded_change(candidate, panel.study, names, seed, weights),
        **planted_removal(candidate, panel.study, names, seed, weights),
    }


def _alarms(share: float, draws: int) -> Estimate:
    """Return a share of draws with the interval that so many of them allow (Clopper-Pearson)."""
    found = stats.binomtest(round(share * draws), draws).proportion_ci()
    return Estimate(share, (float(found.low), float(found.high)))


def _failures(found: dict[str, Estimate], panel: Panel) -> list[str]:
    level = panel.config.significance
    needless = NEEDLESS + 2 * (len(panel.study.sites) - 1) / len(panel.study.ids)
    value = {metric: estimate.value for metric, estimate in found.items()}
    failed: list[str] = []
    if value.get("control_false_alarms", 0) > ALARMS * level:
        failed.append(
            f"site effects are found in {value['control_false_alarms']:.0%} of data sets with "
            f"exchanged sites, where {level:.0%} is nominal: q values of single features are too "
            "small"
        )
    if value.get("control_unneeded_change", 0) > needless:
        failed.append(
            f"changes {value['control_unneeded_change']:.0%} of the variance of a feature when "
            "sites are exchanged and there is nothing to remove"
        )
    idle = value.get("control_unneeded_change", 1) < IDLE  # the raw table as a harmonizer
    if not idle and value.get("control_planted_removed", 1) < REMOVED:
        failed.append(
            f"removes {value['control_planted_removed']:.0%} of a planted site effect only"
        )
    if value.get("control_marker_kept", 1) < KEPT:
        failed.append(
            f"keeps {value['control_marker_kept']:.0%} of a planted marker that has nothing to do "
            "with site: it removes more than the site"
        )
    return failed
