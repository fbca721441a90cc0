"""Metrics of what is kept: biology, the order of cases, subjects, and images."""

from __future__ import annotations

from harmonize_kit.report.metric import Metric, two_decimals
from harmonize_kit.report.text import fixed, percent

KEPT_METRICS: dict[str, Metric] = {
    "effect_concordance": Metric(
        "Agreement with effects inside sites",
        "How far the effects of the covariate, all sites analysed as one, are in sign and size "
        "those found inside the sites of the first candidate, over all features; 1 is full "
        "agreement.",
        "0",
        two_decimals,
        0.0,
        topic="agreement",
    ),
    "effect_slope": Metric(
        "Size of effects to those inside sites",
        "Slope of the effects of the covariate on those found inside sites: 1 is kept, below is "
        "lost, above is exaggerated.",
        "0",
        two_decimals,
        ideal=1.0,
        topic="agreement",
    ),
    "effect_correlation": Metric(
        "Pattern of effects to that inside sites",
        "Correlation, about zero, of the effects of the covariate with those found inside sites, "
        "whatever their size.",
        "0",
        two_decimals,
        0.0,
        topic="agreement",
    ),
    "curve_distance": Metric(
        "Distance of curves from those inside sites",
        "How far the smooth course of a feature over the covariate lies from its course inside "
        "sites, in residual standard deviations (root mean square); the median over features.",
        "the size of the curve itself",
        topic="agreement",
    ),
    "planted_effect_concordance": Metric(
        "Agreement with the true effects",
        "How far the effects of the covariate are in sign and size those of the true table, over "
        "all features; 1 is full agreement.",
        "0",
        two_decimals,
        0.0,
        topic="agreement",
    ),
    "planted_effect_slope": Metric(
        "Size of effects to the true ones",
        "Slope of the effects of the covariate on those of the true table: 1 is kept, below is "
        "lost, above is exaggerated.",
        "0",
        two_decimals,
        ideal=1.0,
        topic="agreement",
    ),
    "planted_effect_correlation": Metric(
        "Pattern of effects to the true one",
        "Correlation, about zero, of the effects of the covariate with those of the true table.",
        "0",
        two_decimals,
        0.0,
        topic="agreement",
    ),
    "planted_feature_agreement": Metric(
        "Features against the true ones",
        "Lin's concordance of each feature with the same feature of the true table, case by case; "
        "the median over features.",
        "0",
        two_decimals,
        0.0,
        topic="agreement",
    ),
    "planted_feature_icc": Metric(
        "Features with the true ones, ICC",
        "ICC(2,1), absolute agreement, of each feature with the same feature of the true table, "
        "case by case; the median over features.",
        "0",
        two_decimals,
        0.0,
        topic="agreement",
    ),
    "planted_feature_bias": Metric(
        "Bias of features",
        "Mean difference of each feature from the same feature of the true table, case by case, in "
        "standard deviations of the true one; the median over features, in which biases of unlike "
        "sign cancel.",
        "",
        two_decimals,
        ideal=0.0,
        topic="agreement",
    ),
    "planted_feature_bias_size": Metric(
        "Size of the bias of features",
        "The same mean difference of each feature whatever its sign; the median over features.",
        "",
        two_decimals,
        topic="agreement",
    ),
    "planted_curve_distance": Metric(
        "Distance of curves from the true ones",
        "How far the smooth course of a feature over the covariate lies from that in the true "
        "table, in residual standard deviations; the median over features.",
        "the size of the curve itself",
        topic="agreement",
    ),
    "rank_preservation": Metric(
        "Order of cases inside sites",
        "Rank correlation of a feature before and after, inside sites; the median over features. "
        "A change of a site's level and spread keeps the order: 1.",
        "0",
        lambda value: fixed(value, 3),
        topic="agreement",
        by_target=False,
    ),
    "new_site_r2": Metric(
        "R² at a new site",
        "Share of the variance that is predicted by a model that has not seen the site.",
        "0 or below",
        two_decimals,
        0.0,
        topic="transfer",
    ),
    "new_site_mae": Metric(
        "Mean absolute error at a new site",
        "Mean distance of prediction and truth at a site the model has not seen, in the unit of "
        "the target.",
        "the error of predicting the mean",
        topic="transfer",
    ),
    "new_site_auc": Metric(
        "AUC at a new site",
        "Chance that a case of one group is ranked above a case of the other of the same site, by "
        "a model that has not seen the site.",
        "0.50",
        two_decimals,
        0.5,
        topic="transfer",
    ),
    "control_leak_r2": Metric(
        "Leak of the covariate, R²",
        "Held-out cases are harmonized as if they had another case's value: R² of that other "
        "value. Features cannot know it; what lies above the null was written by the harmonizer.",
        "0 or below",
        two_decimals,
        topic="control",
    ),
    "control_leak_auc": Metric(
        "Leak of the covariate, AUC",
        "Held-out cases are harmonized as if they were of another case's group: AUC for that other "
        "group. Features cannot know it; what lies above the null was written by the harmonizer.",
        "0.50",
        two_decimals,
        topic="control",
    ),
    "icc": Metric(
        "Intraclass correlation between sites",
        "ICC(2,1) of subjects who were measured at several sites: the share of the variance that "
        "is the subject; the median over features.",
        "0",
        two_decimals,
        0.0,
        topic="reliability",
    ),
    "ccc": Metric(
        "Concordance between sites",
        "Lin's concordance correlation of subjects who were measured at several sites, over all "
        "pairs of sites; the median over features.",
        "0",
        two_decimals,
        0.0,
        topic="reliability",
    ),
    "site_bias": Metric(
        "Bias between two sites",
        "Mean difference of each feature between the sites, over subjects who were measured at "
        "both, the second less the first by name, in standard deviations at the first; the median "
        "over features, in which biases of unlike sign cancel.",
        "",
        two_decimals,
        ideal=0.0,
        topic="reliability",
    ),
    "site_bias_size": Metric(
        "Size of the bias between sites",
        "The same mean difference of each feature whatever its sign, over all pairs of sites; the "
        "median over features.",
        "",
        two_decimals,
        topic="reliability",
    ),
    "within_subject_share": Metric(
        "Variance within subjects",
        "Share of the variance of repeated measurements, wherever they were made, that lies within "
        "subjects; the median over features.",
        "100 %",
        percent,
        topic="reliability",
    ),
    "image_ssim": Metric(
        "Likeness to the truth, SSIM",
        "Structural similarity to the same head on the scanner that is aimed at.",
        "near 0",
        two_decimals,
        topic="image",
    ),
    "image_psnr": Metric(
        "Likeness to the truth, PSNR",
        "Peak signal over error, in decibels, against the same head on the scanner that is aimed "
        "at.",
        "",
        topic="image",
    ),
    "image_nmi": Metric(
        "Likeness to the truth, NMI",
        "Normalised mutual information, 1 to 2, with the same head on the scanner that is aimed "
        "at.",
        "1.00",
        two_decimals,
        1.0,
        topic="image",
    ),
    "image_histogram_distance": Metric(
        "Distance of histograms",
        "Wasserstein distance of intensities, in standard deviations, from the same head on the "
        "scanner that is aimed at.",
        "",
        topic="image",
    ),
    "image_lesion_contrast_error": Metric(
        "Error of lesion contrast",
        "Difference of the lesion's contrast to its surroundings, in their standard deviations, "
        "from that of the same head on the scanner that is aimed at.",
        "",
        topic="image",
    ),
    "image_self_ssim": Metric(
        "Self-similarity, SSIM",
        "Structural similarity to the image before.",
        "near 0",
        two_decimals,
        topic="image",
    ),
    "image_self_psnr": Metric(
        "Self-similarity, PSNR",
        "Peak signal over error, in decibels, against the image before.",
        "",
        topic="image",
    ),
    "image_self_nmi": Metric(
        "Self-similarity, NMI",
        "Normalised mutual information, 1 to 2, with the image before.",
        "1.00",
        two_decimals,
        1.0,
        topic="image",
    ),
    "image_self_histogram_distance": Metric(
        "Distance of histograms from before",
        "Wasserstein distance of intensities, in standard deviations, from the image before.",
        "",
        topic="image",
    ),
    "image_self_lesion_contrast_error": Metric(
        "Error of lesion contrast from before",
        "Difference of the lesion's contrast to its surroundings, in their standard deviations, "
        "from that of the image before.",
        "",
        topic="image",
    ),
}
