"""Rigid and affine registration of two scans by mutual information, coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import SimpleITK as sitk

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.registration_metric import (
    Freedom,
    Level,
    climb,
    information,
    one_thread,
)
from harmonize_kit.preprocess.registration_start import first_guess
from harmonize_kit.preprocess.registration_view import View
from harmonize_kit.preprocess.transforms import Affine

COARSE_MM = (8.0, 4.0)
RIM_MM = 6.0
HEAD_RIM_MM = 2.0
# First and last length of a step, in mm of the point that moves most.
STEPS = (1.0, 0.005)
FINE_STEPS = (0.5, 0.001)


@dataclass(frozen=True)
class Alignment:
    """What registration of two scans found.

    Parameters
    ----------
    transform : Affine
        From points of the fixed scan to points of the moving one.
    information_start, information_end : float
        Mattes mutual information (nats) at the finest level, at the rough guess and where the
        transform lays the two.
    information_scanner : float
        The same where both lie as the scanner's coordinates say.
    refined : bool
        False where the finer levels led to less information than the rough guess has, so that
        ``transform`` is that guess.
    """

    transform: Affine
    information_start: float
    information_end: float
    information_scanner: float
    refined: bool = True


@one_thread()
def align(
    fixed: View,
    moving: View,
    freedom: Freedom,
    config: RegistrationConfig,
    rim_mm: float | None = None,
) -> Alignment:
    """Find the transform from ``fixed`` to ``moving`` that shares most information.

    The metric looks where the fixed scan has a brain and at a rim round it, for the edge says most
    about size: of 6 mm if the moving scan is stripped too, of 2 mm if it is a whole head, whose
    fluid and inner skull are as dark as the nothing round a stripped brain, but whose fat is not.
    A whole head is never the fixed side of a stripped one: the two change places, and the inverse
    is returned.

    Parameters
    ----------
    fixed, moving : View
    freedom : {"rigid", "similarity", "affine"}
    config : RegistrationConfig
    rim_mm : float, optional
        Another width of the rim; negative, that much of the brain's edge is not looked at.

    Raises
    ------
    PreprocessingError
        If the two scans cannot be brought to overlap.
    """
    if moving.bare and not fixed.bare:
        found = align(moving, fixed, freedom, config, rim_mm)
        return replace(found, transform=found.transform.inverse())
    levels = _levels(fixed, moving, config, rim_mm)
    try:
        start = first_guess(fixed, moving, levels[0], freedom, config)
        transform = start
        for level in levels[1:-1]:
            transform = climb(level, transform, freedom, config, STEPS)
        transform = climb(levels[-1], transform, freedom, config, FINE_STEPS)
    except RuntimeError as error:
        raise PreprocessingError(
            "expected two scans of one body part to register, but too few of their voxels overlap; "
            f"look at both, and at their orientation in the header (ITK: {_last_line(error)})"
        ) from error
    first, last, scanner = (
        information(levels[-1], tried, config)
        for tried in (start, transform, Affine(centre=fixed.centre))
    )
    if last < first:
        return Alignment(start, first, first, scanner, refined=False)
    return Alignment(transform, first, last, scanner)


def spacings_of(config: RegistrationConfig) -> list[float]:
    """Return the voxel sizes of the levels in mm, from the coarsest."""
    finer = [mm for mm in COARSE_MM[1:] if mm > config.finest_mm]
    return [COARSE_MM[0], *finer, config.finest_mm]


def metric_mask(fixed: View, moving: View, rim_mm: float | None = None) -> sitk.Image:
    """Return where the metric of a pair is measured: the brain or body of the fixed scan."""
    foreground = fixed.foreground()
    if rim_mm is None:
        rim_mm = HEAD_RIM_MM if fixed.bare and not moving.bare else RIM_MM
    radius = [max(1, round(abs(rim_mm) / spacing)) for spacing in foreground.GetSpacing()]
    if rim_mm >= 0:
        return sitk.BinaryDilate(foreground, radius)
    eroded = sitk.BinaryErode(foreground, radius)
    return eroded if sitk.GetArrayViewFromImage(eroded).any() else foreground


def _levels(
    fixed: View, moving: View, config: RegistrationConfig, rim_mm: float | None
) -> list[Level]:
    mask = metric_mask(fixed, moving)
    spacings = spacings_of(config)
    pairs = list(zip(fixed.pyramid(spacings), moving.pyramid(spacings), strict=True))
    coarse = [Level(*pair, mask) for pair in pairs]
    if rim_mm is None:
        return coarse
    return [*coarse, Level(*pairs[-1], metric_mask(fixed, moving, rim_mm))]


def _last_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1].strip()
