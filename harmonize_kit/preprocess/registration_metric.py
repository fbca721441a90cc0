"""Mattes mutual information of two scans: measured, and climbed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import SimpleITK as sitk

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.preprocess.registration_carry import Transform
from harmonize_kit.preprocess.transforms import Affine, Xyz

Freedom = Literal["rigid", "similarity", "affine"]


@dataclass(frozen=True)
class Level:
    """Two scans at one spacing, and where their metric is measured.

    Parameters
    ----------
    fixed, moving : sitk.Image
        float32.
    mask : sitk.Image or None
        Voxels drawn lie where it is 1; everywhere without one.
    """

    fixed: sitk.Image
    moving: sitk.Image
    mask: sitk.Image | None


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """Let ITK work on one thread: more add the same numbers in another order, in other last bits.

    The metric takes the number of threads of the whole process, whatever its own is set to.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def information(level: Level, transform: Transform, config: RegistrationConfig) -> float:
    """Return the mutual information in nats; 0 where the scans do not overlap."""
    method = _method(level, config)
    if isinstance(transform, Affine):
        method.SetInitialTransform(transform.to_itk(), True)
    else:
        # As the one that is climbed, ITK would hold its derivative by every knot of the spline.
        method.SetMovingInitialTransform(transform.to_itk())
        method.SetInitialTransform(sitk.TranslationTransform(3), True)
    try:
        return -float(method.MetricEvaluate(level.fixed, level.moving))
    except RuntimeError:
        return 0.0


def climb(
    level: Level,
    start: Affine,
    freedom: Freedom,
    config: RegistrationConfig,
    steps: tuple[float, float],
) -> Affine:
    """Return the transform that shares most information near ``start``.

    Regular-step gradient descent: ``steps`` are the first and the last length of a step, in mm of
    the point that moves most. ``start`` must have the freedom asked for, or less.

    Raises
    ------
    RuntimeError
        If too few voxels of the two overlap.
    """
    method = _method(level, config)
    method.SetOptimizerAsRegularStepGradientDescent(
        steps[0], steps[1], config.iterations, 0.5, 1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    climbed = ITK[freedom](start)
    method.SetInitialTransform(climbed, True)
    method.Execute(level.fixed, level.moving)
    return Affine(
        tuple(climbed.GetMatrix()),
        cast(Xyz, tuple(climbed.GetTranslation())),
        cast(Xyz, tuple(climbed.GetCenter())),
    )


def _rigid(transform: Affine) -> sitk.Euler3DTransform:
    """Return a rotation and translation as ITK has it."""
    rigid = sitk.Euler3DTransform()
    rigid.SetMatrix(transform.matrix, 1e-6)
    rigid.SetTranslation(transform.translation)
    rigid.SetCenter(transform.centre)
    return rigid


def _similarity(transform: Affine) -> sitk.Similarity3DTransform:
    """Return a rotation, translation and one scale as ITK has it."""
    similarity = sitk.Similarity3DTransform()
    similarity.SetMatrix(transform.matrix, 1e-6)
    similarity.SetTranslation(transform.translation)
    similarity.SetCenter(transform.centre)
    return similarity


ITK = {"rigid": _rigid, "similarity": _similarity, "affine": Affine.to_itk}


def _method(level: Level, config: RegistrationConfig) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(config.bins)
    method.SetInterpolator(sitk.sitkLinear)
    candidates = float(np.prod(level.fixed.GetSize()))
    if level.mask is not None:
        method.SetMetricFixedMask(level.mask)
        voxel = np.prod(level.fixed.GetSpacing()) / np.prod(level.mask.GetSpacing())
        inside = sitk.GetArrayViewFromImage(level.mask).sum()
        candidates = max(float(inside / voxel), 1.0)
    share = min(config.samples / candidates, 1.0)
    # Drawn voxels are moved off the grid by chance, also where all are drawn: without that, the
    # metric has ripples where the two grids meet.
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(share, config.seed)
    return method
