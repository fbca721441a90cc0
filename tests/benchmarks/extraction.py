"""How much less time and memory extraction takes than plain PyRadiomics, on the same cases.

    python tests/benchmarks/extraction.py --data FOLDER [--repeats 3]

FOLDER holds images/pyradiomics_cases (brain1, lung1). Each line is one case and setting: CPU
seconds of one thread (the least of the repeats, both engines in turns in one process, files read
before), their ratio, how many features are equal to the bit, the largest relative difference, and
peak memory of a process that does nothing else. PyRadiomics runs with its own defaults.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.features import FeatureExtractor
from harmonize_kit.storage.images import read_image, read_mask
from harmonize_kit.storage.itk import mask_to_itk, to_itk

FILTERS = {"imageType": {"Original": {}, "LoG": {"sigma": [1.0, 2.0, 3.0]}, "Wavelet": {}}}
# Case, settings, and the ratio hoped for.
LINES: tuple[tuple[str, str, dict[str, Any], float], ...] = (
    ("brain1", "Original", {}, 8),
    ("brain1", "Original + LoG + wavelet", FILTERS, 3),
    ("lung1", "Original", {}, 8),
    ("lung1", "Original + LoG + wavelet", FILTERS, 20),
    ("whole brain", "Original", {}, 4),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", help="case")
    parser.add_argument("--peak", nargs=2, metavar=("LINE", "ENGINE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    if asked.peak:
        _peak(asked.data, int(asked.peak[0]), asked.peak[1])
        return
    print(
        f"{'case':12}{'images':26}{'PyRadiomics s':>14}{'here s':>8}{'ratio':>7}{'hoped':>6}"
        f"{'equal':>12}{'max rel':>10}{'PyRad. MB':>11}{'here MB':>9}"
    )
    for number, (case, images, parameters, hoped) in enumerate(LINES):
        if asked.only and asked.only != case:
            continue
        volume, label = _load(asked.data, case)
        times, values = _in_turns(volume, label, parameters, asked.repeats)
        theirs, ours = values["pyradiomics"], values["native"]
        equal = sum(ours[name] == theirs[name] for name in theirs)
        apart = max(
            abs(ours[name] - theirs[name]) / max(abs(theirs[name]), 1e-300) for name in theirs
        )
        peaks = [_peak_of(asked.data, number, engine) for engine in ("pyradiomics", "native")]
        print(
            f"{case:12}{images:26}{times['pyradiomics']:14.3f}{times['native']:8.3f}"
            f"{times['pyradiomics'] / times['native']:7.1f}{hoped:6.0f}"
            f"{f'{equal}/{len(theirs)}':>12}{apart:10.1e}{peaks[0]:11.0f}{peaks[1]:9.0f}",
            flush=True,
        )


def _in_turns(
    volume: Volume, label: int, parameters: dict[str, Any], repeats: int
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    times: dict[str, float] = {}
    values: dict[str, dict[str, float]] = {}
    extract = {engine: _extraction(engine, parameters) for engine in ("pyradiomics", "native")}
    for _ in range(repeats):
        for engine in ("pyradiomics", "native"):
            start = time.process_time()
            values[engine] = extract[engine](volume, label)
            spent = time.process_time() - start
            times[engine] = min(spent, times.get(engine, spent))
    return times, values


def _extraction(
    engine: str, parameters: dict[str, Any]
) -> Callable[[Volume, int], dict[str, float]]:
    if engine == "native":
        extractor = FeatureExtractor(ExtractionConfig(**parameters), "native")
        return lambda volume, label: dict(extractor.extract(volume, label).values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import radiomics
        from radiomics.featureextractor import RadiomicsFeatureExtractor

    radiomics.setVerbosity(60)
    plain = RadiomicsFeatureExtractor(parameters)

    def extract(volume: Volume, label: int) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = plain.execute(to_itk(volume), mask_to_itk(volume), label=label)
        return {
            name: float(np.real(value))
            for name, value in found.items()
            if "diagnostics" not in name
        }

    return extract


def _load(data: Path, case: str) -> tuple[Volume, int]:
    if case == "whole brain":
        return _whole_brain(), 1
    folder = data / "images" / "pyradiomics_cases"
    image = read_image(folder / f"{case}_image.nrrd")
    volume = image.with_mask(read_mask(folder / f"{case}_label.nrrd"), 1e-3)
    assert volume.mask is not None
    return volume, int(np.unique(volume.mask)[1])


def _whole_brain() -> Volume:
    """A smooth random head of 240 x 240 x 155 mm with a region of 1400 cm3."""
    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:155, :240, :240]
    distance = ((z - 77) / 66) ** 2 + ((y - 120) / 78) ** 2 + ((x - 120) / 65) ** 2
    texture = gaussian_filter(rng.normal(size=distance.shape), 1.5)
    image = 400 + 60 * texture / texture.std() + rng.normal(0, 15, distance.shape)
    bumps = gaussian_filter(rng.normal(size=distance.shape), 4)
    mask = distance <= 1 + 0.05 * bumps / bumps.std()
    return Volume(image.astype(np.int16), Geometry((240, 240, 155)), mask.astype(np.uint8))


def _peak_of(data: Path, line: int, engine: str) -> float:
    command = [sys.executable, __file__, "--data", str(data), "--peak", str(line), engine]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(told.stdout.splitlines()[-1])


def _peak(data: Path, line: int, engine: str) -> None:
    case, _, parameters, _ = LINES[line]
    volume, label = _load(data, case)
    _extraction(engine, parameters)(volume, label)
    # Not from getrusage, which counts the memory of the parent process at the fork.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


if __name__ == "__main__":
    main()
