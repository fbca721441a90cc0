"""A scanner: turns a head into an image, with its contrast, coil, sharpness, noise and units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.phantom import ScannerConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.phantom.anatomy import Map
from harmonize_kit.phantom.head import Head
from harmonize_kit.phantom.relaxation import RELAXATION, TISSUES, spoiled_gradient_echo

FWHM_PER_SD = 2.0 * np.sqrt(2.0 * np.log(2.0))
HEAD_RADIUS_MM = 90.0


def scan(head: Head, scanner: ScannerConfig, rng: np.random.Generator) -> Volume:
    """Scan a head; the same head on another scanner is the truth of what a harmonizer attempts.

    In the order of physics: steady-state signal of each tissue in a voxel, summed by its share;
    coil sensitivity; point spread; complex noise, of which the magnitude is kept (Rician;
    Gudbjartsson & Patz 1995, Magn Reson Med 34:910), so that air is not zero and low signals are
    biased upwards; gain.

    Parameters
    ----------
    head : Head
    scanner : ScannerConfig
    rng : Generator
        Noise and gain of this scan.

    Returns
    -------
    Volume
        float32, positive, in the arbitrary units of the scanner; carries the mask of the head.
    """
    signal = noise_free(head, scanner)
    noise = white_matter_signal(scanner) / scanner.snr
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(noise)
    magnitude = np.hypot(signal + real, imaginary)
    gain = scanner.gain * np.exp(scanner.gain_jitter * rng.standard_normal())
    return Volume((magnitude * np.float32(gain)).astype(np.float32), head.geometry, head.mask)


def noise_free(head: Head, scanner: ScannerConfig) -> Map:
    """Return the signal before noise and gain, shape (z, y, x), as a share of that of water."""
    signal = np.zeros(head.mask.shape, dtype=np.float32)
    for name in TISSUES:
        factor = head.t1_factors.get(name, 1.0)
        relaxation = RELAXATION[scanner.field][name]
        signal += head.fractions[name] * spoiled_gradient_echo(
            relaxation, factor, scanner.tr_ms, scanner.te_ms, scanner.flip_deg
        )
    signal *= sensitivity(head.geometry, scanner)
    width = np.asarray(scanner.blur_mm) / FWHM_PER_SD / np.asarray(head.geometry.spacing)
    return ndimage.gaussian_filter(signal, tuple(width[::-1]))


def white_matter_signal(scanner: ScannerConfig) -> float:
    """Return the signal of pure white matter, to which the signal-to-noise ratio refers."""
    tissue = RELAXATION[scanner.field]["white"]
    return float(spoiled_gradient_echo(tissue, 1.0, scanner.tr_ms, scanner.te_ms, scanner.flip_deg))


def sensitivity(geometry: Geometry, scanner: ScannerConfig) -> NDArray[np.float32]:
    """Return the sensitivity of the coil, shape (z, y, x), near 1 on average over the head.

    A tilt along each axis and a centre that is darker or brighter than the edge, in the exponent
    so that it stays positive: the two lowest orders of a smooth bias field.
    """
    x, y, z = (
        (np.arange(count) - (count - 1) / 2.0) * spacing / HEAD_RADIUS_MM
        for count, spacing in zip(geometry.size, geometry.spacing, strict=True)
    )
    slope, centre = scanner.bias_slope, scanner.bias_centre
    # Squared distance averages 0.6 over a ball of radius one.
    along_x, along_y, along_z = (
        tilt * axis + centre * (axis**2 - 0.2) for tilt, axis in zip(slope, (x, y, z), strict=True)
    )
    return np.exp(along_z[:, np.newaxis, np.newaxis] + along_y[:, np.newaxis] + along_x).astype(
        np.float32
    )
