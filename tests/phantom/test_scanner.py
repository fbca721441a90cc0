"""Scans obey the equations they are said to obey."""

import numpy as np
import pytest

from harmonize_kit.config.phantom import DEFAULT_SCANNERS, HeadPhantomConfig, ScannerConfig
from harmonize_kit.phantom import noise_free, scan, simulate_head
from harmonize_kit.phantom.relaxation import RELAXATION, Relaxation, spoiled_gradient_echo
from harmonize_kit.phantom.scanner import sensitivity, white_matter_signal

PLAIN = ScannerConfig(
    name="plain",
    field="3T",
    tr_ms=20,
    te_ms=4,
    flip_deg=25,
    blur_mm=(0, 0, 0),
    snr=30,
    gain=1000,
    gain_jitter=0,
)


def plain(**changes) -> ScannerConfig:
    return PLAIN.model_copy(update=changes)


@pytest.fixture(scope="module")
def head():
    return simulate_head(HeadPhantomConfig(subjects=1, spacing=4.0), 1, 0).head


def test_a_right_angle_pulse_leaves_saturation_recovery():
    tissue = Relaxation(0.8, 900.0, 60.0)
    found = spoiled_gradient_echo(tissue, 1.0, tr_ms=500, te_ms=10, flip_deg=90)
    expected = 0.8 * (1 - np.exp(-500 / 900)) * np.exp(-10 / 60)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_signal_peaks_at_the_ernst_angle():
    tissue = Relaxation(1.0, 1000.0, 50.0)
    angles = np.arange(2.0, 40.0, 0.1)
    signal = [float(spoiled_gradient_echo(tissue, 1.0, 20, 0.1, a)) for a in angles]
    ernst = np.degrees(np.arccos(np.exp(-20 / 1000)))
    assert angles[np.argmax(signal)] == pytest.approx(ernst, abs=0.3)


@pytest.mark.parametrize("scanner", DEFAULT_SCANNERS, ids=lambda s: s.name)
def test_every_default_scanner_is_t1_weighted(scanner):
    sequence = (scanner.tr_ms, scanner.te_ms, scanner.flip_deg)
    signal = {
        name: float(spoiled_gradient_echo(tissue, 1.0, *sequence))
        for name, tissue in RELAXATION[scanner.field].items()
    }
    assert signal["white"] > 1.15 * signal["grey"] > 1.2 * signal["lesion"] > signal["csf"]


def test_pure_white_matter_has_the_signal_of_white_matter(head):
    factor = head.t1_factors["white"]
    at = head.fractions["white"] > 0.999
    tissue = RELAXATION["3T"]["white"]
    expected = spoiled_gradient_echo(tissue, factor, 20, 4, 25)[at]
    np.testing.assert_allclose(noise_free(head, PLAIN)[at], expected, rtol=2e-3)


def test_air_is_rician_noise(head):
    air = sum(head.fractions.values()) == 0
    found = scan(head, PLAIN, np.random.default_rng(0)).array[air]
    sigma = PLAIN.gain * white_matter_signal(PLAIN) / PLAIN.snr
    assert found.min() > 0
    assert found.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.01)
    assert found.var() == pytest.approx(sigma**2 * (2 - np.pi / 2), rel=0.02)


def test_noise_in_white_matter_is_what_the_snr_says(head):
    at = head.fractions["white"] > 0.999
    clean = noise_free(head, PLAIN)[at] * PLAIN.gain
    noise = scan(head, PLAIN, np.random.default_rng(0)).array[at] - clean
    assert noise.std() == pytest.approx(PLAIN.gain * white_matter_signal(PLAIN) / 30, rel=0.1)


def test_gain_is_a_unit_and_jitters_as_told(head):
    once = scan(head, PLAIN, np.random.default_rng(5)).array
    twice = scan(head, plain(gain=2000), np.random.default_rng(5)).array
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)
    jittered = plain(gain_jitter=0.1, snr=1e6)
    means = [
        scan(head, jittered, np.random.default_rng(i)).array[head.mask > 0].mean()
        for i in range(40)
    ]
    assert np.std(np.log(means)) == pytest.approx(0.1, rel=0.35)


def test_bias_multiplies_and_is_smooth(head):
    biased = plain(bias_slope=(0.1, -0.2, 0.05), bias_centre=-0.2)
    field = sensitivity(head.geometry, biased)
    inside = head.mask > 0
    ratio = noise_free(head, biased)[inside] / noise_free(head, PLAIN)[inside]
    np.testing.assert_allclose(ratio, field[inside], rtol=1e-4)
    assert field[inside].mean() == pytest.approx(1, abs=0.05)
    assert np.ptp(field[inside]) > 0.3
    assert max(np.abs(np.diff(field, axis=a)).max() for a in range(3)) < 0.04


def test_blur_keeps_the_total_and_follows_the_axes(head):
    sharp = noise_free(head, PLAIN)
    blurred = noise_free(head, plain(blur_mm=(4, 4, 4)))
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=1e-3)
    along_z = noise_free(head, plain(blur_mm=(0, 0, 12)))
    contrast = [np.abs(np.diff(along_z, axis=a)).mean() for a in range(3)]
    plainly = [np.abs(np.diff(sharp, axis=a)).mean() for a in range(3)]
    assert contrast[0] / plainly[0] < 0.9 * contrast[2] / plainly[2]


def test_the_scan_carries_mask_and_geometry(head):
    volume = scan(head, PLAIN, np.random.default_rng(0))
    assert volume.array.dtype == np.float32
    assert volume.geometry == head.geometry
    assert volume.mask is head.mask
