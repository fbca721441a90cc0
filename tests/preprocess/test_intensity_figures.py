"""Against the package intensity-normalization where it is right, and the definition elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from tissues import T1, T2, tissue_volume

from harmonize_kit.config.intensity import IntensityConfig
from harmonize_kit.config.intensity_methods import FuzzyCMeansConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.fuzzy_c_means import fuzzy_c_means
from harmonize_kit.preprocess.intensity_fit import fit_intensities, summarize
from harmonize_kit.preprocess.intensity_peaks import tissue_peak
from harmonize_kit.preprocess.kde_peak import kde_peak
from harmonize_kit.preprocess.nyul import nyul
from harmonize_kit.preprocess.tissue_classes import tissue_classes
from harmonize_kit.preprocess.white_stripe import stripe_about, white_stripe
from harmonize_kit.preprocess.z_score import z_score
from harmonize_kit.storage.images import read_image, read_mask

DOCUMENT = json.loads(
    (Path(__file__).parent / "figures" / "intensity_normalization.json").read_text()
)
FIGURES: dict[str, Any] = DOCUMENT["figures"]
AT = DOCUMENT["voxels"]["at"]


def inside(volume: Volume) -> NDArray[np.float64]:
    assert volume.mask is not None
    return volume.array[volume.mask > 0].astype(np.float64)


def test_z_score_is_its_definition() -> None:
    volume, _ = tissue_volume()
    values = inside(volume)
    made = z_score(volume)
    expected = (values - values.mean()) / values.std()
    np.testing.assert_allclose(inside(made.volume), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(inside(made.volume)[AT], FIGURES["z-score"]["values"], atol=2e-6)


def test_white_stripe_is_theirs_about_the_same_peak() -> None:
    for tissues, which in ((T1, "white-stripe"), (T2, "white-stripe-t2")):
        volume, _ = tissue_volume(tissues)
        theirs = FIGURES[which]
        stripe = stripe_about(inside(volume), theirs["peak"], 0.05)
        np.testing.assert_allclose(stripe.mean, theirs["mean"], rtol=1e-6)
        np.testing.assert_allclose(stripe.sd, theirs["sd"], rtol=1e-5)


def test_peaks_of_white_matter() -> None:
    """Theirs lie on a grid of 80 intensities; of the KDE method, in no tissue at all."""
    for tissues, contrast, which in ((T1, "t1", "white-stripe"), (T2, "t2", "white-stripe-t2")):
        volume, names = tissue_volume(tissues)
        made = white_stripe(volume, modality=contrast)
        truth = tissues["wm"][0] if contrast == "t1" else mode_of(inside(volume))
        grid = np.ptp(inside(volume)) / 79
        assert made.decided["peak"] == pytest.approx(truth, rel=2e-3)
        assert made.decided["peak"] == pytest.approx(FIGURES[which]["peak"], abs=grid)
        stripe = volume.array[np.abs(volume.array - made.decided["mean"]) < made.decided["sd"]]
        of_wm = np.isin(stripe, volume.array[names == "wm"])
        assert of_wm.mean() > 0.95
    volume, _ = tissue_volume(T1)
    assert kde_peak(volume, modality="T1").decided["peak"] == pytest.approx(1600, rel=2e-3)
    assert abs(FIGURES["kde-peak"]["peak"] / 1600 - 1) > 0.2


def mode_of(values: NDArray[np.float64]) -> float:
    return tissue_peak(values, "largest").intensity


def test_fuzzy_c_means_divides_by_the_tissue_not_by_all_that_resembles_it() -> None:
    volume, names = tissue_volume()
    made = fuzzy_c_means(volume, FuzzyCMeansConfig(to=1000.0), "t1")
    classes = tissue_classes(volume)
    values, shares = inside(volume), classes.memberships[2][names != ""]
    weighted = float(np.average(values, weights=shares))
    assert weighted == pytest.approx(FIGURES["fuzzy-c-means"]["weighted_mean"], rel=1e-4)
    hard = classes.hard()[names != ""] == 3
    assert made.decided["tissue_mean"] == pytest.approx(values[hard].mean(), rel=1e-12)
    assert made.decided["tissue_voxels"] == hard.sum()
    assert inside(made.volume)[hard].mean() == pytest.approx(1000.0, rel=1e-6)


def test_nyul_is_theirs() -> None:
    config = IntensityConfig.model_validate({"default": "nyul"})
    cases = [tissue_volume(gain=g, gamma=e)[0] for g, e in DOCUMENT["cases"]["training"]]
    fitted = fit_intensities({"t1": [summarize(case, config, "t1") for case in cases]}, config)
    expected = FIGURES["nyul"]
    np.testing.assert_allclose(fitted.landmarks["t1"], expected["standard_scale"], rtol=1e-6)
    gain, gamma = DOCUMENT["cases"]["new"]
    made = nyul(tissue_volume(gain=gain, gamma=gamma)[0], fitted.landmarks["t1"])
    np.testing.assert_allclose(inside(made.volume)[AT], expected["values"], rtol=2e-6)


def spline_peak(values: NDArray[np.float64]) -> float:
    """The last peak as the authors' R package finds it: a spline penalised by REML.

    Counts of bins, without those below a fifth of the highest; powers up to 4 and truncated fourth
    powers at quantiles of the bins, the latter as random effects of one variance. There are half
    as many bins as there and a third of the knots, which suffices for so smooth a histogram.
    """
    counts, edges = np.histogram(values, bins=1000)
    middles = (edges[1:] + edges[:-1]) / 2
    common = counts >= 0.2 * counts.max()
    y, x = counts[common].astype(float), middles[common]
    t = (x - x[0]) / np.ptp(x)
    k = 80
    knots = np.quantile(t, np.linspace(0, 1, k + 2)[1:-1])
    fixed = t[:, np.newaxis] ** np.arange(5)
    bent = np.clip(t[:, np.newaxis] - knots, 0, None)
    span = np.linalg.qr(fixed)[0]
    free_y, free_bent = (m - span @ (span.T @ m) for m in (y, bent**4))
    left, singular, _ = np.linalg.svd(free_bent, full_matrices=False)
    seen, total = left.T @ free_y, float(free_y @ free_y)

    def deviance(log_ratio: float) -> float:
        share = 1 + np.exp(log_ratio) * singular**2
        rest = np.sum(seen**2 / share) + total - np.sum(seen**2)
        return float((len(y) - 5) * np.log(rest) + np.log(share).sum())

    grid = np.linspace(0, 50, 51)
    best = grid[np.argmin([deviance(g) for g in grid])]
    ratio = minimize_scalar(deviance, bounds=(best - 1, best + 1), method="bounded").x
    penalty = np.diag(np.r_[np.zeros(5), np.full(k, np.exp(-ratio / 2))])
    rows = np.vstack([np.hstack([fixed, bent**4]), penalty])
    weights = np.linalg.lstsq(rows, np.r_[y, np.zeros(k + 5)], rcond=None)[0]
    powers = np.arange(1, 5) * t[:, np.newaxis] ** np.arange(4)
    slope = powers @ weights[1:5] + 4 * bent**3 @ weights[5:]
    last = np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0))[-1]
    return float(np.interp(0, slope[[last + 1, last]], x[[last + 1, last]]))


def test_the_peak_is_that_of_a_penalised_spline() -> None:
    volume, _ = tissue_volume(size=40)
    values = inside(volume)
    found = tissue_peak(values, "last").intensity
    assert found == pytest.approx(spline_peak(values), rel=2e-3)


def test_real_heads(real_data: Path) -> None:
    """Nyul's scale over two heads, and the classes of one, as the packages find them."""
    config = IntensityConfig.model_validate({"default": "nyul"})
    heads = [head(real_data, name) for name in ("IXI034-HH-1260", "IXI039-HH-1261")]
    fitted = fit_intensities({"t1": [summarize(each, config, "t1") for each in heads]}, config)
    expected = FIGURES["ixi"]
    np.testing.assert_allclose(fitted.landmarks["t1"], expected["standard_scale"], rtol=1e-6)
    centres = np.asarray(expected["centres"])
    found = tissue_classes(heads[0]).centres
    np.testing.assert_allclose(found, centres, rtol=0, atol=1e-5 * np.ptp(centres))


def head(folder: Path, name: str) -> Volume:
    images = folder / "images" / "ixi_hh_t1_2mm"
    labels = read_mask(images / f"{name}_T1_DLMUSE.nii.gz")
    return read_image(images / f"{name}_T1.nii.gz").with_mask(labels, tolerance=1e-3)
