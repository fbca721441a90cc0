"""What each metric of a scorecard is: its name in words, which way is good, what chance gives."""

from __future__ import annotations

from harmonize_kit.core.scorecard import Score
from harmonize_kit.report.kept_metrics import KEPT_METRICS
from harmonize_kit.report.metric import Metric
from harmonize_kit.report.metric import two_decimals as _two
from harmonize_kit.report.site_metrics import SITE_METRICS
from harmonize_kit.report.text import fixed_share, percent

_ACCURACY = (
    "How often a {} classifier names the site of a held-out case from its features, averaged "
    "over sites so that large sites do not dominate."
)
_ONE_OVER_SITES = "1 / number of sites"

METRICS: dict[str, Metric] = {
    "site_partial_eta_squared_median": Metric(
        "Site effect, median partial η²",
        "Share of a feature's variance that goes with site once the covariates are accounted "
        "for; the median over features. A harmonizer fitted to these same cases makes it small by "
        "construction.",
        "near 0, a little above by sampling",
        fixed_share,
        topic="site_by_feature",
    ),
    "site_significant_fraction": Metric(
        "Features with a site effect",
        "Share of features whose mean differs between sites (false discovery rate, q < 0.05).",
        "0 %",
        percent,
        topic="site_by_feature",
    ),
    "site_balanced_accuracy_linear": Metric(
        "Site prediction, linear",
        _ACCURACY.format("linear"),
        _ONE_OVER_SITES,
        _two,
        topic="site_prediction",
    ),
    "site_balanced_accuracy_nonlinear": Metric(
        "Site prediction, nonlinear",
        _ACCURACY.format("nonlinear"),
        _ONE_OVER_SITES,
        _two,
        topic="site_prediction",
    ),
    "association_median": Metric(
        "Median association",
        "Strength of the association between a feature and the covariate with site held "
        "constant; the median over features.",
        "near 0, a little above by sampling",
        fixed_share,
        topic="association",
    ),
    "association_significant_fraction": Metric(
        "Features associated",
        "Share of features associated with the covariate (false discovery rate, q < 0.05).",
        "0 %",
        percent,
        topic="association",
    ),
    "r2": Metric(
        "R²",
        "Share of the variance of a held-out number that is predicted from the features; below "
        "0 is worse than predicting the mean.",
        "0 or below",
        _two,
        0.0,
        topic="prediction",
    ),
    "mae": Metric(
        "Mean absolute error",
        "Mean distance of prediction and truth in held-out cases, in the unit of the target.",
        "the error of predicting the mean",
        topic="prediction",
    ),
    "auc": Metric(
        "Area under the ROC curve",
        "Chance that a held-out case of one group is ranked above a case of the other by its "
        "features.",
        "0.50",
        _two,
        0.5,
        topic="prediction",
    ),
    **SITE_METRICS,
    **KEPT_METRICS,
}


def metric_of(score: Score) -> Metric:
    """Return what is known of a score's metric; one this page does not know is shown by name."""
    known = METRICS.get(score.metric)
    return known or Metric(score.metric.replace("_", " "), "", "")


def label_of(score: Score) -> str:
    """Return the metric in words, with its target where that says more."""
    metric = metric_of(score)
    named = score.family != "site" if metric.by_target is None else metric.by_target
    return f"{metric.label}: {score.target}" if named else metric.label


def direction_of(score: Score) -> str:
    """Return which way is good, in words."""
    ideal = metric_of(score).ideal
    if ideal is not None:
        return f"nearest {ideal:g} is best"
    return "higher is better" if score.higher_is_better else "lower is better"


def value_text(score: Score) -> str:
    """Return the value as it is shown everywhere on the page."""
    return metric_of(score).write(score.value)


def interval_text(score: Score) -> str:
    """Return the 95 % interval as ``0.21 to 0.33``, empty where there is none."""
    if score.interval is None:
        return ""
    write = metric_of(score).write
    low, high = (write(bound) for bound in score.interval)
    return f"{low} to {high}"


def null_text(score: Score) -> str:
    """Return the mean and central 95 % of the permutation null, empty where there is none."""
    if score.null is None:
        return ""
    return f"{metric_of(score).write(score.null.mean)} ({null_band_text(score)})"


def null_band_text(score: Score) -> str:
    """Return the central 95 % of the permutation null as ``0.2 to 0.3``, empty without one."""
    if score.null is None:
        return ""
    write = metric_of(score).write
    return f"{write(score.null.low)} to {write(score.null.high)}"
