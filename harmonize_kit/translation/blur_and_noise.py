"""The blur and the noise that one site shows and another does not, told by their power spectra.

No person need have been in both. Whatever the heads, the tissue of many has nearly the same mean
spectrum; a scanner's point spread takes from its high frequencies, and its noise, which is white,
fills them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, cast

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
# A kernel reaches so many voxels, where a point spread of 1.5 voxels has fallen to 3 %.
REACH = 4
# A point spread this narrow is one voxel.
NARROWEST = 1e-3


@dataclass(frozen=True)
class BlurAndNoise:
    """What a site shows and the reference does not.

    Parameters
    ----------
    blur : float
        Standard deviation of a Gaussian point spread in the plane of slices, in voxels.
    noise : float
        Standard deviation of white noise, in units of intensity.
    contrast : float
        Amplitude of the site's detail as a share of the reference's, besides the blur.
    misfit : float
        Root mean square of what is left over, as a share of the site's spectrum. Far from 0 the
        sites differ in more than these.
    """

    blur: float
    noise: float
    contrast: float
    misfit: float


def measure(store: SliceStore, reference: str, site: str) -> tuple[BlurAndNoise, ...]:
    """Return the blur and the noise of ``site`` over ``reference``, for each modality.

    Raises
    ------
    ConfigError
        If no tile of 16 x 16 voxels lies inside the head at one of both.
    """
    ours, theirs = (spectra(store, name) for name in (reference, site))
    return tuple(fit_blur_and_noise(r, s) for r, s in zip(ours, theirs, strict=True))


def fit_blur_and_noise(reference: Spectrum, site: Spectrum) -> BlurAndNoise:
    """Return what makes of one mean spectrum another.

    Fitted is S(f) = c^2 H(f)^2 R(f) + s^2, the spectrum of what a Gaussian point spread of transfer
    H makes of R, with white noise of standard deviation s (the degradation of image restoration:
    Andrews and Hunt 1977, "Digital Image Restoration"), by least squares of shares of S. With the
    width of the point spread given, c^2 and s^2 are linear and not negative; the width is searched
    up to 1.5 voxels. Where the same law leads nearer to R from S, it is the reference that is
    blurrier and noisier, and the site is neither.

    Parameters
    ----------
    reference, site : ndarray, shape (k,)
        By frequency, as :func:`spectra` gives them.
    """
    found, reverse = _fit(reference, site), _fit(site, reference)
    if reverse.misfit < found.misfit:
        return BlurAndNoise(0.0, 0.0, 1 / max(reverse.contrast, NARROWEST), reverse.misfit)
    return found


def _fit(before: Spectrum, after: Spectrum) -> BlurAndNoise:
    def linear(width: float) -> tuple[NDArray[np.float64], float]:
        seen = before * by_frequency(np.square(transfer(width)))
        shares = np.stack([seen, np.ones_like(seen)], axis=1) / after[:, None]
        return cast(Any, nnls)(shares, np.ones_like(after))

    widths = np.linspace(0, WIDEST, 31)
    best = int(np.argmin([linear(width)[1] for width in widths]))
    ends = (widths[max(best - 1, 0)], widths[min(best + 1, len(widths) - 1)])
    found: Any = minimize_scalar(
        lambda width: linear(width)[1], bounds=ends, method="bounded", options={"xatol": 1e-4}
    )
    (contrast, noise), left = linear(float(found.x))
    return BlurAndNoise(
        float(found.x), float(noise**0.5), float(contrast**0.5), float(left / len(after) ** 0.5)
    )


def transfer(width: float) -> NDArray[np.float64]:
    """Return what a point spread leaves of each frequency, shape (TILE, TILE).

    It is the transform of the kernel of :class:`.degradation.Degradation`, which at widths below a
    voxel blurs less than a Gaussian that is not sampled.
    """
    kernel = point_spread(width)
    reach = len(kernel) // 2
    waves = np.cos(2 * np.pi * np.fft.fftfreq(TILE)[:, None] * np.arange(-reach, reach + 1))
    line = waves @ kernel / kernel.sum()
    return line[:, None] * line


def point_spread(width: float) -> NDArray[np.float64]:
    """Return a sampled Gaussian of this standard deviation in voxels, 1 in the middle."""
    away = np.arange(-REACH, REACH + 1)
    return np.exp(-0.5 * np.square(away / max(width, NARROWEST)))


def spectra(store: SliceStore, site: str) -> list[Spectrum]:
    """Return the mean power spectrum of a site's slices for each modality, shape (k,) each.

    Of tiles that lie inside the head, by a Hann window whose mean square is 1 and half overlapping
    (Welch 1967); a brain's rim is sharp however blurred the brain is. Cases weigh alike.

    Raises
    ------
    ConfigError
        If there is no such tile.
    """
    cases = [case for case in store.cases if case.site == site]
    powers: list[NDArray[np.float64]] = []
    for case in _spread(cases, CASES):
        rows = case.first + np.asarray(_spread(range(case.count), SLICES))
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
    distance = _frequency()
    edges = np.arange(1.5, 0.7 * TILE) / TILE
    return [(distance >= low) & (distance < high) for low, high in pairwise(edges.tolist())]


def _frequency() -> NDArray[np.float64]:
    along = np.fft.fftfreq(TILE)
    return np.hypot(along[:, None], along)


def by_frequency(power: NDArray[np.float64]) -> Spectrum:
    """Return the mean over all directions of what is told for every wave, (TILE, TILE), shape (k,).

    The lowest frequencies, in which scanners' contrasts differ and not their detail, are left out.
    """
    return np.array([power[ring].mean() for ring in _rings()])


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """Return at most ``count`` of them, evenly spread."""
    if len(items) <= count:
        return list(items)
    places = np.linspace(0, len(items) - 1, count).round().astype(int)
    return [items[place] for place in cast(list[int], places.tolist())]
