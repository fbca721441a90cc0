"""What N4 takes off a known bias field, and at what cost, here and by the usual SimpleITK recipe.

    python tests/benchmarks/bias_field.py

The image is the T1 template that nilearn brings, on a grid of 240 x 240 x 155 voxels of 1 mm, times
a known field, with 1 % noise. The recipe is the one of SimpleITK's examples: the whole volume and
its mask shrunk by 4, four control points and four levels of 50 iterations, the field at full
resolution. Each line is one field: mean relative error in the brain, correlation with the clean
image and of the log fields, and CPU seconds of one thread, each the least of the repeats.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import SimpleITK as sitk
from nilearn.datasets import load_mni152_template
from numpy.typing import NDArray

from harmonize_kit.config.bias_field import BiasFieldConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.preprocess.bias_field import correct_volume

SIZE = (155, 240, 240)
GRID = Geometry((240, 240, 155))
Array = NDArray[Any]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    repeats = parser.parse_args().repeats
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    clean = _template()
    inside = clean > 0.05 * clean.max()
    print(f"{'field':8}{'by':10}{'error %':>9}{'corr':>8}{'log-bias r':>12}{'CPU s':>8}")
    for name, log_bias in _fields().items():
        noise = np.random.default_rng(0).normal(0, 0.01, SIZE)
        biased = np.abs(clean * np.exp(log_bias) + noise).astype(np.float32)
        print(f"{name:8}{'none':10}{_quality(biased, clean, inside)}")
        for by, method in (("recipe", _recipe), ("here", _here)):
            log_field, seconds = _timed(method, biased, inside, repeats)
            corrected = biased / np.exp(log_field)
            agreement = np.corrcoef(log_field[inside], log_bias[inside])[0, 1]
            quality = _quality(corrected, clean, inside)
            print(f"{name:8}{by:10}{quality}{agreement:12.3f}{seconds:8.1f}", flush=True)


def _template() -> Array:
    template = np.asarray(load_mni152_template(resolution=1).dataobj, dtype=np.float32)
    across, along, up = template.shape
    first = (up - SIZE[0]) // 2
    padded = np.zeros(SIZE[::-1], dtype=np.float32)
    padded[(240 - across) // 2 :, (240 - along) // 2 :][:across, :along] = template[
        :, :, first : first + SIZE[0]
    ]
    return np.ascontiguousarray(padded.T)


def _fields() -> dict[str, Array]:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in SIZE), indexing="ij")
    return {
        "tilt": 0.38 * (0.6 * x + 0.5 * y**2 - 0.4 * z + 0.3 * x * y),
        "coil": 0.35 * (1.2 * (x**2 + y**2 + z**2) - 0.3 * y),
        "waves": 0.35 * (np.sin(1.5 * x) + 0.5 * np.cos(2.0 * y) - 0.5 * z * y),
    }


def _quality(image: Array, clean: Array, inside: NDArray[np.bool_]) -> str:
    values, truth = image[inside].astype(np.float64), clean[inside].astype(np.float64)
    values *= np.median(truth / values)
    error = np.abs(values - truth).mean() / truth.mean()
    return f"{100 * error:9.2f}{np.corrcoef(values, truth)[0, 1]:8.4f}"


def _timed(
    method: Callable[[Array, NDArray[np.bool_]], Array],
    image: Array, inside: NDArray[np.bool_], repeats: int,
) -> tuple[Array, float]:  # fmt: skip
    seconds: list[float] = []
    found = image
    for _ in range(repeats):
        start = time.process_time()
        found = method(image, inside)
        seconds.append(time.process_time() - start)
    return found, min(seconds)


def _recipe(array: Array, inside: NDArray[np.bool_]) -> Array:
    image = sitk.GetImageFromArray(array)
    mask = sitk.GetImageFromArray((inside & (array > 0)).astype(np.uint8))
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([50] * 4)
    n4.SetConvergenceThreshold(0.001)
    n4.Execute(sitk.Shrink(image, [4] * 3), sitk.Shrink(mask, [4] * 3))
    return sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image))


def _here(array: Array, inside: NDArray[np.bool_]) -> Array:
    volume = Volume(array, GRID, inside.astype(np.uint8))
    return np.log(correct_volume(volume, BiasFieldConfig()).field.array)


if __name__ == "__main__":
    main()
