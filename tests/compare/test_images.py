"""Image likeness: against scikit-image, laws, and what may not score well."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harmonize_kit.compare.feature_agreement import (
    feature_agreement,
    feature_bias,
    median_agreement,
    resampled_agreement,
)
from harmonize_kit.compare.image_similarity import (
    histogram_distance,
    normalised_mutual_information,
    peak_signal_to_noise,
    structural_similarity,
)
from harmonize_kit.compare.images import ImageCase, image_scores, measure_case
from harmonize_kit.compare.lesion_contrast import lesion_contrast
from harmonize_kit.errors import InputError

PEERS: dict[str, Any] = json.loads((Path(__file__).parent / "figures" / "peers.json").read_text())
FIGURES = PEERS["images"]
Z, Y, X = np.mgrid[:18, :20, :22].astype(float)
NOISE = np.sin(12.9898 * X + 78.233 * Y + 37.719 * Z)
FIRST = 100 + 40 * np.sin(X / 3) * np.cos(Y / 4) + 15 * np.sin(Z * Y / 17) + 3 * NOISE
SECOND = 0.8 * FIRST + 20 + 8 * np.cos(3.1 * X + 1.7 * Y + 5.3 * Z)
BALL = (Z - 9) ** 2 + (Y - 10) ** 2 + (X - 11) ** 2
MASK, LESION = BALL <= 49, BALL <= 6
EXTENT = FIGURES["data_range"]


def test_likeness_is_that_of_scikit_image():
    assert structural_similarity(FIRST, SECOND, EXTENT) == pytest.approx(FIGURES["ssim"], rel=1e-8)
    masked = structural_similarity(FIRST, SECOND, EXTENT, MASK)
    assert masked == pytest.approx(FIGURES["ssim_mask"], rel=1e-8)
    found = peak_signal_to_noise(FIRST, SECOND, EXTENT)
    assert found == pytest.approx(FIGURES["psnr"], rel=1e-8)
    found = normalised_mutual_information(FIRST, SECOND)
    assert found == pytest.approx(FIGURES["nmi"], rel=1e-8)
    found = normalised_mutual_information(FIRST, SECOND, MASK)
    assert found == pytest.approx(FIGURES["nmi_mask"], rel=1e-8)


def test_an_image_is_most_like_itself():
    assert structural_similarity(FIRST, FIRST, EXTENT, MASK) == pytest.approx(1)
    assert peak_signal_to_noise(FIRST, FIRST, EXTENT, MASK) == pytest.approx(100)
    assert normalised_mutual_information(FIRST, FIRST, MASK) == pytest.approx(2)
    assert histogram_distance(FIRST, FIRST, MASK) == 0
    constant = np.full_like(FIRST, 7.0)
    assert normalised_mutual_information(constant, FIRST, MASK) == pytest.approx(1)
    assert normalised_mutual_information(constant, constant, MASK) == 1
    assert structural_similarity(constant, FIRST, EXTENT, MASK) < 0.2


def test_mutual_information_survives_a_change_of_contrast_that_the_others_see():
    inverted = 300 - FIRST
    assert normalised_mutual_information(inverted, FIRST, MASK) == pytest.approx(2, abs=1e-9)
    assert structural_similarity(inverted, FIRST, EXTENT, MASK) < 0.2
    assert histogram_distance(FIRST + 5, FIRST, MASK) == pytest.approx(5 / FIRST[MASK].std())


def test_lesion_contrast_is_in_noise_of_what_lies_around_it():
    image = NOISE + 5.0 * LESION
    found = lesion_contrast(image, LESION, MASK)
    assert found is not None
    assert found == pytest.approx(5 / NOISE[MASK].std(), rel=0.15)
    assert lesion_contrast(3 * image + 9, LESION, MASK) == pytest.approx(found)
    darker = lesion_contrast(-image, LESION, MASK)
    assert darker == pytest.approx(-found)
    assert lesion_contrast(np.ones_like(image), LESION, MASK) is None
    assert lesion_contrast(image, np.zeros_like(LESION), MASK) is None


def case(**changes: Any) -> ImageCase:
    before = FIRST + 40 * LESION
    return replace(ImageCase("one", 0.7 * before + 4, before, MASK, before, LESION), **changes)


def test_against_a_truth_the_true_image_is_best_and_a_constant_worst():
    right, wrong = measure_case(case()), measure_case(case(after=case().before))
    flat = measure_case(case(after=np.full_like(FIRST, 90.0)))
    assert set(right) == {
        "image_ssim", "image_psnr", "image_nmi", "image_histogram_distance",
        "image_lesion_contrast_error",
    }  # fmt: skip
    for metric, sign in (("ssim", 1), ("psnr", 1), ("histogram_distance", -1)):
        name = f"image_{metric}"
        assert sign * right[name] > sign * wrong[name]
        assert sign * right[name] > sign * flat[name]
    assert right["image_lesion_contrast_error"] == pytest.approx(0, abs=1e-12)
    assert flat["image_lesion_contrast_error"] > 1
    assert flat["image_nmi"] == pytest.approx(1)


def test_without_a_truth_it_is_named_self_similarity():
    measured = measure_case(case(truth=None, lesion=None))
    assert set(measured) == {f"image_self_{name}" for name in
                             ("ssim", "psnr", "nmi", "histogram_distance")}  # fmt: skip
    (score, *_) = image_scores("gan", [("one", measured)])
    assert "self-similarity" in score.note


def test_scores_are_means_with_intervals_over_subjects():
    rng = np.random.default_rng(0)
    measured = [
        (f"s{row // 2}", {"image_ssim": x, "image_histogram_distance": 2 * x})
        for row, x in enumerate(rng.uniform(0.5, 0.9, 20).tolist())
    ]
    ssim, distance = image_scores("gan", measured, target="t1", bootstraps=200)
    values = [metrics["image_ssim"] for _, metrics in measured]
    assert ssim.value == pytest.approx(np.mean(values))
    assert ssim.interval is not None
    assert ssim.interval[0] < ssim.value < ssim.interval[1]
    assert ssim.higher_is_better
    assert not distance.higher_is_better
    assert (ssim.family, ssim.target, "self" in ssim.note) == ("biology", "t1", False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"after": FIRST[1:]}, "expected one shape"),
        ({"mask": np.zeros_like(MASK)}, "mask is empty"),
        ({"after": np.where(LESION, np.nan, FIRST)}, "finite"),
        ({"truth": np.ones_like(FIRST)}, "constant"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        measure_case(case(**changes))


def test_what_is_not_finite_beyond_the_mask_does_not_matter():
    after = np.where(MASK, FIRST, np.nan)
    assert all(np.isfinite(list(measure_case(case(after=after)).values())))


def test_feature_agreement_is_lins_coefficient():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y = x + rng.normal(scale=0.5, size=(40, 3)) + [0, 1, 0]
    apart = np.mean((x - y) ** 2, axis=0)
    independent = np.mean((x[:, None] - y[None]) ** 2, axis=(0, 1))
    np.testing.assert_allclose(feature_agreement(x, y), 1 - apart / independent, rtol=1e-10)
    assert (feature_agreement(x, np.ones_like(x)) == 0).all()
    np.testing.assert_allclose(feature_agreement(x, x), 1)


def test_bias_of_features_is_the_mean_paired_difference_in_sds_of_the_truth():
    truth = np.random.default_rng(0).normal(size=(30, 4)) * [1, 10, 1e-3, 0] + [0, 5, 0, 2]
    made = truth + truth.std(axis=0) * [0.5, -0.25, -0.5, 0] + [0, 0, 0, 1]
    np.testing.assert_allclose(feature_bias(made, truth), [0.5, -0.25, -0.5, np.nan], atol=1e-10)
    found = median_agreement(made, truth)  # of the three whose truth varies
    assert found["bias"] == pytest.approx(-0.25)
    assert found["bias_size"] == pytest.approx(0.5)
    flat = np.ones_like(truth)
    assert median_agreement(flat, truth)["icc"] == 0  # making everybody alike earns nothing
    assert set(median_agreement(made, flat)) == {"agreement", "icc"}


def test_a_bootstrap_sample_is_judged_as_the_cases_it_holds():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(25, 3)) * [1, 100, 1e-4]
    made = 0.8 * truth + truth.std(axis=0) * rng.normal(scale=0.4, size=(25, 3)) + [0.3, 20, 0]
    weights = rng.multinomial(25, np.full(25, 1 / 25), size=4).astype(float)
    drawn = resampled_agreement(made, truth, weights)
    for place, counts in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(25), counts)
        for name, value in median_agreement(made[rows], truth[rows]).items():
            assert drawn[name][place] == pytest.approx(value, rel=1e-8), name
    none = resampled_agreement(made, truth, weights[:0])
    assert [draws.shape for draws in none.values()] == [(0,)] * 4
    flat = resampled_agreement(made, np.ones_like(truth), weights)
    assert flat["bias"].size == 0
