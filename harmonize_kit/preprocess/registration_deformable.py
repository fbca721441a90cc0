"""Deformable registration of a brain to a template: demons on top of an affine transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.deformation import Deformation
from harmonize_kit.preprocess.registration_metric import Level, information, one_thread
from harmonize_kit.preprocess.registration_pair import metric_mask, spacings_of
from harmonize_kit.preprocess.registration_view import View, points_inside
from harmonize_kit.preprocess.transforms import Affine
from harmonize_kit.preprocess.warp import Warp
from harmonize_kit.storage.itk import geometry_of

# No voxel may shrink to less: at 0 space folds, and shortly above it nobody can tell tissue.
LEAST_JACOBIAN = 0.1
SMOOTHER_VOXELS = 1.0
TRIES = 4
GREY_LEVELS, MATCHED_POINTS = 256, 15


@dataclass(frozen=True)
class Deformed:
    """What deformable registration found.

    Parameters
    ----------
    transform : Affine or Deformation
        From points of the fixed scan to points of the moving one: the affine that it began with,
        where nothing better was found.
    found : mapping of str to plain values
        ``information`` (Mattes, nats) of the affine and of the deformation, ``jacobian`` over the
        whole grid, ``displacement_mm`` and ``inverse_mm`` (how far points come back from where
        they were) in the brain, and whether it is ``used``.
    notes : tuple of str
    """

    transform: Affine | Deformation
    found: dict[str, Any]
    notes: tuple[str, ...]


@one_thread()
def deform(fixed: View, moving: View, affine: Affine, config: RegistrationConfig) -> Deformed:
    """Bend the fixed scan onto the moving one, from where an affine transform lays it.

    Demons with symmetric forces (Vercauteren et al. 2007, ISBI, 1204-1207), coarse to fine, after
    the histogram of the moving scan was matched to the fixed one's: both must have the same
    contrast. The displacement is smoothed by a Gaussian after each step, then held by a cubic
    B-spline; while that shrinks a voxel to less than a tenth, it is smoothed further, so that what
    is returned never folds.

    The result is used where it shares more information with the template than the affine does; a
    measure that it does not climb itself.

    Parameters
    ----------
    fixed, moving : View
        Brains, both of them stripped.
    affine : Affine
        From points of ``fixed`` to points of ``moving``.
    config : RegistrationConfig
    """
    if not (fixed.bare and moving.bare):
        return _kept(
            affine, {}, "it needs a stripped brain and a stripped template; put strip first"
        )
    spacings = spacings_of(config)
    pairs = list(zip(fixed.pyramid(spacings), moving.pyramid(spacings), strict=True))
    displacement = _demons(pairs, affine, config)
    grid = geometry_of(pairs[-1][0])
    warp, least, most = _unfolded(displacement, grid, config)
    jacobian = {"least": round(least, 4), "most": round(most, 4)}
    if warp is None:
        return _kept(affine, {"jacobian": jacobian}, "space would have folded")
    try:
        found = Deformation(warp, warp.inverse(), affine)
    except PreprocessingError:
        return _kept(affine, {"jacobian": jacobian}, "it has no way back")
    level = Level(*pairs[-1], metric_mask(fixed, moving))
    before, after = (information(level, tried, config) for tried in (affine, found))
    numbers = {
        "information": {"affine": round(before, 6), "deformable": round(after, 6)},
        "jacobian": jacobian,
        **_lengths(found, fixed),
    }
    if after <= before:
        return _kept(affine, numbers, f"it shares less information ({after:.3f} < {before:.3f})")
    return Deformed(found, {**numbers, "used": True}, ())


def _kept(affine: Affine, numbers: dict[str, Any], why: str) -> Deformed:
    note = f"the deformable registration was not used, the affine one is kept: {why}"
    return Deformed(affine, {**numbers, "used": False}, (note,))


def _demons(
    pairs: list[tuple[sitk.Image, sitk.Image]], affine: Affine, config: RegistrationConfig
) -> sitk.Image:
    """Return the displacement in mm on the grid of the finest fixed image."""
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfThreads(1)
    demons.SetStandardDeviations(config.deformable.smoothing)
    demons.SetSmoothDisplacementField(True)
    demons.SetMaximumUpdateStepLength(2.0)
    displacement: sitk.Image | None = None
    for (fixed, moving), steps in zip(pairs, config.deformable.iterations, strict=False):
        laid = sitk.Resample(moving, fixed, affine.to_itk(), sitk.sitkLinear, 0.0)
        seen = sitk.HistogramMatching(laid, fixed, GREY_LEVELS, MATCHED_POINTS, True)
        demons.SetNumberOfIterations(steps)
        if displacement is None:
            displacement = demons.Execute(fixed, seen)
            continue
        start = sitk.Resample(displacement, fixed, sitk.Transform(), sitk.sitkLinear, 0.0)
        displacement = demons.Execute(fixed, seen, start)
    assert displacement is not None
    return displacement


def _unfolded(
    displacement: sitk.Image, grid: Geometry, config: RegistrationConfig
) -> tuple[Warp | None, float, float]:
    """Return the spline through a displacement, with its extreme Jacobians; None if it folds."""
    array: NDArray[Any] = sitk.GetArrayFromImage(displacement)
    low = high = float("nan")
    for _ in range(TRIES):
        warp = Warp.fit(array, grid, config.deformable.knots_mm)
        jacobian = warp.jacobian_on(grid)
        low, high = float(jacobian.min()), float(jacobian.max())
        if low >= LEAST_JACOBIAN:
            return warp, low, high
        array = ndimage.gaussian_filter(array, (*(SMOOTHER_VOXELS,) * 3, 0.0), mode="constant")
    return None, low, high


def _lengths(found: Deformation, fixed: View) -> dict[str, Any]:
    """Return how far points of the brain are bent, and how far from it they come back."""
    points = points_inside(fixed.foreground())[::20]
    bent = np.linalg.norm(found.forward.apply(points) - points, axis=1)
    back = np.linalg.norm(found.apply_inverse(found.apply(points)) - points, axis=1)
    return {
        name: {"mean": round(float(mm.mean()), 4), "most": round(float(mm.max()), 4)}
        for name, mm in (("displacement_mm", bent), ("inverse_mm", back))
    }
