"""The blur and the noise that one site shows and another does not, told by their power spectra.

No person need have been in both. Whatever the heads, the tissue of many has nearly the same mean
spectrum; a scanner's point spread takes from its high frequencies, and its noise, which is white,
fills them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal, cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar, nnls

from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.store import INSIDE, SliceStore

Spectrum = NDArray[np.float64]
# A side of the tiles that spectra are of, in voxels, and how far they lie apart.
TILE, STEP = 16, 8
# Enough for a mean: so many cases of a site and slices of a case, evenly spread.
CASES, SLICES = 64, 32
# A point spread wider than this leaves nothing at most frequencies to tell its width by.
WIDEST = 1.5


@dataclass(frozen=True)
class BlurAndNoise:
    """What a site shows and the reference does not.

    Parameters
    ----------
    blur : float
        Standard deviation of a Gaussian point spread in the plane of slices, in voxels.
    noise : float
        Standard deviation of white noise, in units of intensity.
    misfit : float
        Root mean square of what is left over, as a share of the site's spectrum. Far from 0 the
        sites differ in more than these.
    """

    blur: float
    noise: float
    misfit: float


def measure(
    store: SliceStore, reference: str, sites: Sequence[str]
) -> dict[str, tuple[BlurAndNoise, ...]]:
    """Return the blur and the noise of ``sites`` over ``reference``, for each modality.

    Parameters
    ----------
    store : SliceStore
        Of training slices; at most 64 cases of a site and 32 slices of a case are read.
    reference : str
    sites : sequence of str

    Raises
    ------
    ConfigError
        If no tile of 16 x 16 voxels lies inside a head of one of them.
    """
    ours = spectra(store, reference)
    return {
        site: tuple(
            fit_blur_and_noise(r, s) for r, s in zip(ours, spectra(store, site), strict=True)
        )
        for site in sites
    }


def fit_blur_and_noise(reference: Spectrum, site: Spectrum) -> BlurAndNoise:
    """Return what makes of one mean spectrum another.

    Fitted is S(f) = c^2 H(f)^2 R(f) + s^2, the spectrum of what a Gaussian point spread of transfer
    H makes of R, with white noise of standard deviation s (the degradation of image restoration:
    Andrews and Hunt 1977, "Digital Image Restoration"), by least squares of shares of S. With the
    width of the point spread given, c^2 and s^2 are linear and not negative; the width is searched
    up to 1.5 voxels. So are the three laws in which the reference is the blurrier, the noisier, or
    both; of all four the nearest holds, and what the reference has more of counts as 0. A sharper
    site shows the reference's noise sharpened, so that its own may go unseen beside that.

    Parameters
    ----------
    reference, site : ndarray, shape (k,)
        Power in squared units of intensity, by frequency, as :func:`spectra` gives it.
    """
    blurrier_noisier, noisier = _fit(reference, site, 1), _fit(reference, site, -1)
    neither, blurrier = _fit(site, reference, 1), _fit(site, reference, -1)
    laws = [
        blurrier_noisier,
        replace(noisier, blur=0.0),
        replace(blurrier, noise=0.0),
        replace(neither, blur=0.0, noise=0.0),
    ]
    return min(laws, key=lambda law: law.misfit)


def _fit(before: Spectrum, after: Spectrum, power: Literal[1, -1]) -> BlurAndNoise:
    """Return the law that leads from one spectrum to another: blurred, or by -1 sharpened."""

    def linear(width: float) -> tuple[NDArray[np.float64], float]:
        seen = before * by_frequency(transfer(width) ** 2) ** power
        shares = np.stack([seen, np.ones_like(seen)], axis=1) / after[:, None]
        return cast(Any, nnls)(shares, np.ones_like(after))

    widths = np.linspace(0, WIDEST, 31)
    best = int(np.argmin([linear(width)[1] for width in widths]))
    ends = (widths[max(best - 1, 0)], widths[min(best + 1, len(widths) - 1)])
    found: Any = minimize_scalar(
        lambda width: linear(width)[1], bounds=ends, method="bounded", options={"xatol": 1e-4}
    )
    (_, noise), left = linear(float(found.x))
    return BlurAndNoise(float(found.x), float(noise**0.5), float(left / len(after) ** 0.5))


def transfer(width: float) -> NDArray[np.float64]:
    """Return what a point spread leaves of the amplitude of each wave, shape (TILE, TILE).

    A Gaussian of this standard deviation in voxels leaves exp(-2 pi^2 width^2 f^2), as a Gaussian
    filter of k-space does; :class:`.degradation.Degradation` blurs by the same.
    """
    passed = np.exp(-2 * np.square(np.pi * width * np.fft.fftfreq(TILE)))
    return passed[:, None] * passed


def spectra(store: SliceStore, site: str) -> list[Spectrum]:
    """Return the mean power spectrum of a site's slices for each modality, shape (k,) each.

    In squared units of intensity, scaled so that white noise of standard deviation s has s^2 at
    every frequency. Of tiles that lie inside the head, half overlapping, under a Hann window (Welch
    1967, IEEE Trans Audio Electroacoust 15:70); a brain's rim is sharp however blurred the brain
    is. Cases weigh alike. The k frequencies are rings a sixteenth of a cycle a voxel wide, up to
    the corners of the square of waves.

    Raises
    ------
    ConfigError
        If there is no such tile.
    """
    cases = [case for case in store.cases if case.site == site]
    powers: list[NDArray[np.float64]] = []
    for case in _evenly(cases, CASES):
        rows = case.first + np.asarray(_evenly(range(case.count), SLICES))
        power = _power(store.images[rows], store.masks[rows] >= INSIDE)
        if power is not None:
            powers.append(power)
    if not powers:
        raise ConfigError(
            f"expected heads that hold squares of {TILE} x {TILE} voxels, got none at '{site}'; "
            "its blur and noise cannot be measured: set generator.degradation: none"
        )
    mean = np.mean(powers, axis=0)
    # Where nothing at all is seen there is nothing to take shares of.
    mean = np.maximum(mean, np.finfo(np.float32).tiny)
    return [by_frequency(power) for power in mean]


def _power(images: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return the mean power of tiles, shape (c, TILE, TILE), of slices (n, c, y, x)."""
    if min(images.shape[2:]) < TILE:
        return None
    tiles = sliding_window_view(images, (TILE, TILE), axis=(2, 3))[:, :, ::STEP, ::STEP]
    whole = sliding_window_view(inside, (TILE, TILE), axis=(1, 2))[:, ::STEP, ::STEP]
    chosen = tiles.transpose(0, 2, 3, 1, 4, 5)[whole.all(axis=(3, 4))].astype(np.float64)
    if not len(chosen):
        return None
    line = np.hanning(TILE + 2)[1:-1]
    window = np.outer(line, line) / np.square(line).sum()
    mean = (chosen * window).sum(axis=(2, 3), keepdims=True) / window.sum()
    return np.square(np.abs(np.fft.fft2((chosen - mean) * window))).mean(axis=0)


@cache
def _rings() -> list[NDArray[np.bool_]]:
    along = np.fft.fftfreq(TILE)
    distance = np.hypot(along[:, None], along)
    edges = np.arange(1.5, 0.7 * TILE) / TILE
    return [(distance >= low) & (distance < high) for low, high in pairwise(edges.tolist())]


def by_frequency(power: NDArray[np.float64]) -> Spectrum:
    """Return the mean over all directions of what is told for every wave, (TILE, TILE), shape (k,).

    The lowest frequencies, in which scanners' contrasts differ and not their detail, are left out.
    """
    return np.array([power[ring].mean() for ring in _rings()])


def _evenly(items: Sequence[Any], count: int) -> list[Any]:
    """Return at most ``count`` of them, evenly spread."""
    if len(items) <= count:
        return list(items)
    places = np.linspace(0, len(items) - 1, count).round().astype(int)
    return [items[place] for place in cast(list[int], places.tolist())]
