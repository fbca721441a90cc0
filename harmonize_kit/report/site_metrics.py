"""Metrics of what is left of the site beyond the first few, and of the negative controls."""

from __future__ import annotations

from harmonize_kit.report.metric import Metric, two_decimals
from harmonize_kit.report.text import fixed_share, percent

_RANKING = (
    "Area under the ROC curve of a {} classifier that is asked whether a held-out case comes from "
    "one site or from another; mean over sites."
)
SITE_METRICS: dict[str, Metric] = {
    "site_auc_linear": Metric(
        "Site ranking, linear",
        _RANKING.format("linear"),
        "0.50",
        two_decimals,
        0.5,
        topic="site_prediction",
    ),
    "site_auc_nonlinear": Metric(
        "Site ranking, nonlinear",
        _RANKING.format("nonlinear"),
        "0.50",
        two_decimals,
        0.5,
        topic="site_prediction",
    ),
    "site_rank_significant_fraction": Metric(
        "Features with a site effect, by ranks",
        "Share of features whose ranks differ between sites (Kruskal and Wallis' test, false "
        "discovery rate, q < 0.05); outliers and skew do not matter.",
        "0 %",
        percent,
        topic="site_by_feature",
    ),
    "site_scale_significant_fraction": Metric(
        "Features that spread differently",
        "Share of features whose spread differs between sites (Brown and Forsythe's test, false "
        "discovery rate, q < 0.05).",
        "0 %",
        percent,
        topic="site_by_feature",
    ),
    "site_log_variance_ratio_median": Metric(
        "Log variance ratio of two sites",
        "How far the variances of a feature at two sites lie apart, as the logarithm of their "
        "ratio, root mean square over pairs of sites; the median over features. 0.69 is twice the "
        "variance.",
        "above 0 by sampling, more so for small sites",
        two_decimals,
        topic="site_by_feature",
    ),
    "site_cohens_d_median": Metric(
        "Cohen's d of two sites",
        "Difference of two site means in their common standard deviation, without its sign; the "
        "median over pairs of sites and features.",
        "above 0 by sampling, more so for small sites",
        two_decimals,
        topic="site_by_feature",
    ),
    "site_wasserstein_median": Metric(
        "Wasserstein distance of a site from the others",
        "Area between the distribution functions of a feature at one site and at all others, in "
        "standard deviations; mean over sites, median over features. Sees location, spread and "
        "shape.",
        "above 0 by sampling, more so for small sites",
        two_decimals,
        topic="site_by_feature",
    ),
    "site_permanova_r2": Metric(
        "PERMANOVA R²",
        "Share of the squared distances between cases that goes with site once the covariates are "
        "accounted for.",
        "near 0, a little above by sampling",
        fixed_share,
        topic="site_distance",
    ),
    "site_energy_share": Metric(
        "Energy distance between sites",
        "Share of the mean distance between cases that lies between sites; 0 only if all sites "
        "have the same distribution.",
        "near 0, a little above by sampling",
        fixed_share,
        topic="site_distance",
    ),
    "site_mahalanobis_mean": Metric(
        "Mahalanobis distance of two sites",
        "Distance of the centres of two sites in standard deviations within sites, correlations "
        "allowed for, in the leading principal components; mean over pairs.",
        "above 0 by sampling, more so for small sites",
        two_decimals,
        topic="site_distance",
    ),
    "site_covariance_distance_mean": Metric(
        "Covariance distance of two sites",
        "Size of the difference of two sites' covariances over the size of the common one, in the "
        "leading principal components; mean over pairs.",
        "above 0 by sampling, more so for small sites",
        two_decimals,
        topic="site_distance",
    ),
    "site_silhouette": Metric(
        "Silhouette width by site",
        "How much nearer a case is to its own site than to the nearest other; mean over cases. 1 "
        "is apart, 0 mixed.",
        "near or below 0",
        two_decimals,
        topic="site_mixing",
    ),
    "site_ilisi": Metric(
        "iLISI",
        "Effective number of sites among the neighbours of a case, from 0 (its own site only) to "
        "1 (all sites alike); the median over cases.",
        "below 1 where sites differ in size",
        two_decimals,
        topic="site_mixing",
    ),
    "site_kbet_rejection": Metric(
        "kBET rejection rate",
        "Share of cases whose neighbours do not come from the sites as all cases do "
        "(chi-squared test, p < 0.05).",
        "at most about 5 %",
        percent,
        topic="site_mixing",
    ),
    "variance_share": Metric(
        "Share of variance",
        "Share of the variance of a feature that goes with this column alone; mean over features.",
        "near 0, a little above by sampling",
        fixed_share,
        topic="variance",
        by_target=True,
    ),
    "control_false_alarms": Metric(
        "Judge: false alarms",
        "With sites exchanged between subjects, in how many data sets any feature is said to show "
        "a site effect.",
        "5 %",
        percent,
        topic="control",
        by_target=False,
    ),
    "control_planted_found": Metric(
        "Judge: planted effects found",
        "With sites exchanged and shifts of half a standard deviation planted in half of the "
        "features: share of those that is found.",
        "",
        percent,
        topic="control",
        by_target=False,
    ),
    "control_false_discoveries": Metric(
        "Judge: false discoveries",
        "In the same data: share of the features found in which nothing was planted.",
        "5 % or less",
        percent,
        topic="control",
        by_target=False,
    ),
    "control_unneeded_change": Metric(
        "Harmonizer: change without need",
        "Refitted with sites exchanged, so that there is nothing to remove: share of a feature's "
        "variance that is not what it was; the median over features.",
        "about (sites - 1) / cases",
        percent,
        topic="control",
        by_target=False,
    ),
    "control_planted_removed": Metric(
        "Harmonizer: planted effect removed",
        "Refitted with site shifts of half a standard deviation added: share of them that is "
        "gone; the median over features.",
        "",
        percent,
        topic="control",
        by_target=False,
    ),
    "control_marker_kept": Metric(
        "Harmonizer: planted marker kept",
        "Refitted with a marker of the subject added that it is not told of: how much of the "
        "correlation with it is left; the median over features.",
        "",
        percent,
        topic="control",
        by_target=False,
    ),
}
