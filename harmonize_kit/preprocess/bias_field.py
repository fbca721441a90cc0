"""Correction of intensity inhomogeneity by N4."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from harmonize_kit.config.bias_field import BiasFieldConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import PreprocessingError
from harmonize_kit.preprocess.bias_field_foreground import foreground_of, positive_part
from harmonize_kit.preprocess.bias_field_grid import CoarseGrid, coarse_grid
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.storage.itk import one_thread, to_itk

SPLINE_ORDER = 3
# Receive coils and the dielectric effect seldom change the brightness of a head by more.
STRONG = 5.0
# Share of the foreground without a logarithm that is worth a look. A brain mask holds some zeros,
# in vessels and fluid: at most 0.01 % in 18 IXI heads. The field is smooth; a hundredth less to
# see does not move it. A mask that takes in background holds more.
LEFT_OUT = 0.01


class BiasCorrected(NamedTuple):
    """An image without its bias field.

    Parameters
    ----------
    volume : Volume
        float32 (float64 where the input was), same grid and mask.
    field : Volume
        float32: the input is the corrected image times this field. Geometric mean 1 in the mask.
    decided : dict
        What was decided and found.
    notes : tuple of str
    """

    volume: Volume
    field: Volume
    decided: dict[str, Any]
    notes: tuple[str, ...]


def correct_bias_field(scans: Scans, config: BiasFieldConfig) -> Staged:
    """Correct each image of a case for its own bias field (see :func:`correct_volume`)."""
    images: dict[str, Volume] = {}
    decided: dict[str, Any] = {}
    notes: list[str] = []
    fields: dict[str, Volume] = {}
    for modality, volume in scans.images.items():
        try:
            found = correct_volume(volume, config)
        except PreprocessingError as error:
            raise PreprocessingError(_of(modality, error.message)) from None
        images[modality], decided[modality] = found.volume, found.decided
        notes += [_of(modality, note) for note in found.notes]
        if config.save_bias:
            fields["_".join(filter(None, ("bias_field", modality)))] = found.field
    return Staged(Scans(images, scans.labels, scans.drawn_on), decided, tuple(notes), fields)


def correct_volume(volume: Volume, config: BiasFieldConfig | None = None) -> BiasCorrected:
    """Divide an image by the bias field that N4 finds in it.

    N4 (Tustison et al. 2010, IEEE Trans Med Imaging 29:1310) sharpens the histogram of the log
    intensities and takes the smooth part of the difference, a cubic B-spline, as the field, from
    coarse knots to fine. It looks at few voxels of the box of the mask, since the field is smooth
    (see :func:`harmonize_kit.preprocess.bias_field_grid.coarse_grid`); every voxel of the volume
    is then divided by the field at its own place, so that no resolution is lost. Outside of the
    mask, where nothing constrains the field, it is held within the range it has inside.

    What is exactly 0 stays so. The field has the geometric mean 1 over the mask, so that the image
    keeps its scale: N4 alone finds a field up to a factor. ITK computes on one thread, so that
    its sums are the same to the bit whatever the machine's number of cores.

    Parameters
    ----------
    volume : Volume
        Its mask says which voxels N4 looks at; without one they are those above Otsu's threshold.
        Voxels that are not positive, which have no logarithm, are left out of the estimate.
    config : BiasFieldConfig, optional

    Raises
    ------
    PreprocessingError
        If voxels are not finite, the mask is empty, most of its voxels are not positive, or all
        have one intensity.
    """
    config = BiasFieldConfig() if config is None else config
    wide = volume.array.dtype == np.float64
    array = volume.array.astype(np.float64 if wide else np.float32, copy=False)
    inside, taken = foreground_of(volume, array)
    positive = positive_part(array, inside)
    grid = coarse_grid(positive, volume.geometry.spacing[::-1], config)
    coarse, found = _n4(grid, array, positive, config)
    log_field = grid.spread(coarse, array.shape)
    log_field -= log_field[positive].mean(dtype=np.float64)
    lowest, highest = float(log_field[positive].min()), float(log_field[positive].max())
    field = np.exp(np.clip(log_field, lowest, highest))
    corrected = array / field
    if not np.isfinite(corrected).all():
        raise PreprocessingError("N4 found a field that is not finite; check the intensities")
    decided: dict[str, Any] = {
        "mask": taken,
        **grid.describe(),
        **found,
        "not_positive": int(np.count_nonzero(inside & ~positive)),
        "field": {
            "lowest": float(np.exp(lowest)),
            "highest": float(np.exp(highest)),
            "coefficient_of_variation": float(field[positive].std() / field[positive].mean()),
        },
    }
    field_volume = Volume(field, volume.geometry, volume.mask)
    notes = _notes(array, inside, decided["field"])
    return BiasCorrected(volume.with_array(corrected), field_volume, decided, notes)


def _n4(
    grid: CoarseGrid, array: NDArray[Any], positive: NDArray[np.bool_], config: BiasFieldConfig
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Return the log field on the coarse grid, and how N4 ended."""
    seen, mask = grid.take(array).astype(np.float32), grid.take(positive).astype(np.uint8)
    size = (seen.shape[2], seen.shape[1], seen.shape[0])
    image, inside = (to_itk(Volume(values, Geometry(size))) for values in (seen, mask))
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(config.iterations[: grid.levels])
    n4.SetConvergenceThreshold(config.convergence_threshold)
    n4.SetNumberOfControlPoints([axis.spans + SPLINE_ORDER for axis in grid.axes[::-1]])
    n4.SetSplineOrder(SPLINE_ORDER)
    n4.SetNumberOfHistogramBins(config.histogram_bins)
    n4.SetWienerFilterNoise(config.wiener_noise)
    n4.SetBiasFieldFullWidthAtHalfMaximum(config.fwhm)
    with one_thread():
        n4.SetNumberOfThreads(1)
        try:
            n4.Execute(image, inside)
            log_field = n4.GetLogBiasFieldAsImage(image)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise PreprocessingError(f"N4 could not work on this image: {reason}") from None
    found = {
        "iterations_of_last_level": n4.GetElapsedIterations(),
        "convergence": n4.GetCurrentConvergenceMeasurement(),
    }
    return sitk.GetArrayFromImage(log_field).astype(np.float32, copy=False), found


def _notes(
    array: NDArray[Any], inside: NDArray[np.bool_], field: dict[str, float]
) -> tuple[str, ...]:
    notes: list[str] = []
    left_out, seen = int(np.count_nonzero(inside & (array <= 0))), int(np.count_nonzero(inside))
    if left_out > LEFT_OUT * seen:
        notes.append(
            f"{left_out} voxels ({left_out / seen:.1%}) of the foreground are not positive; N4 "
            "left them out of its estimate, and they were divided by the field like all others; "
            "look at the mask, which may take in background"
        )
    ratio = field["highest"] / field["lowest"]
    if ratio > STRONG:
        notes.append(f"the bias field changes {ratio:.1f}-fold over the foreground; look at it")
    return tuple(notes)


def _of(modality: str, sentence: str) -> str:
    return f"{modality}: {sentence}" if modality else sentence
