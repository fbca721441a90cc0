"""Quality of real heads: what it costs, how many are flagged, and what planted faults do.

    python tests/benchmarks/quality.py DATA [--every 6]

DATA is the folder of real data. The healthy heads of IXI are measured as they are; the share of
flags is that of false alarms. Then one of them is spoilt in known ways, and each line says which
flags are raised. Last, the limits and the fences of sites meet MRIQC's own measures of ABIDE's 1101
scans, which up to three raters accepted or rejected.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.quality import QualityConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.quality import assess_quality, flag_outliers, quality_table
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.storage.images import read_image

SHOWN = ("snr_total", "snrd_total", "cnr", "cjv", "efc", "qi_1", "fwhm_avg", "inu_range", "wm2max")


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=6, help="every how many of the 53 heads")
    given = parser.parse_args()
    heads = sorted((given.data / "images" / "ixi_hh_t1_2mm").glob("*_T1.nii.gz"))
    _healthy(heads[:: given.every])
    _spoilt(read_image(heads[len(heads) // 2]))
    _raters(given.data / "tables" / "mriqc_iqm_abide.tsv.gz")


def _healthy(paths: list[Path]) -> None:
    records: dict[str, Any] = {}
    seconds: list[float] = []
    for path in paths:
        scans = Scans({"t1": read_image(path)})
        start = time.process_time()
        records[path.name[:6]] = assess_quality(scans, QualityConfig()).decided
        seconds.append(time.process_time() - start)
    table = quality_table(records)
    print(f"{len(table)} healthy heads, median {np.median(seconds):.1f} CPU s each")
    print(f"flagged by limits: {int((table['flags'] != '').sum())}", end="; ")
    print(f"by fences: {[(f['id'], f['metric']) for f in flag_outliers(table)]}")
    print(table[list(SHOWN)].describe().loc[["min", "50%", "max"]].round(3).to_string(), "\n")


def _spoilt(volume: Volume) -> None:
    for name, array in _faults(volume.as_float()).items():
        decided = assess_quality(Scans({"t1": volume.with_array(array)}), QualityConfig()).decided
        metrics = decided["metrics"]["t1"]
        known = [(key, metrics[key]) for key in SHOWN if metrics[key] is not None]
        shown = "  ".join(f"{key} {value:.3g}" for key, value in known)
        print(f"{name:12}{shown}  flags: {[flag['metric'] for flag in decided['flags']]}")
    print()


def _faults(image: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    rng, top = np.random.default_rng(0), np.percentile(image, 98)
    real, imaginary = 0.1 * top * rng.standard_normal((2, *image.shape))
    missing, repeated = image.copy(), image.copy()
    missing[image.shape[0] // 2] = 0.0
    repeated[image.shape[0] // 2] = repeated[image.shape[0] // 2 - 1]
    return {
        "as it is": image,
        "noise 10 %": np.hypot(image + real, imaginary),
        "blur": ndimage.gaussian_filter(image, 0.6),
        "ghost 10 %": image + 0.1 * np.roll(image, image.shape[1] // 2, axis=1),
        "motion": _moved(image, rng),
        "missing": missing,
        "repeated": repeated,
        "clipped": np.minimum(image, np.percentile(image, 97)),
    }


def _moved(image: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Three tenths of the lines of k-space were acquired after a move of three voxels."""
    lines = rng.random(image.shape[1]) < 0.3
    shift = np.exp(-2j * np.pi * 3.0 * np.fft.fftfreq(image.shape[1]))
    phase = np.where(lines, shift, 1.0)[np.newaxis, :, np.newaxis]
    return np.abs(np.fft.ifftn(np.fft.fftn(image) * phase))


def _raters(path: Path) -> None:
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    table = table.assign(id=table["subject_id"].astype(str), modality="t1")
    worst = table[["rater_1", "rater_2", "rater_3"]].min(axis=1)
    limits = QualityConfig().all_limits
    beyond = pd.Series(False, index=table.index)
    for metric, limit in limits.items():
        if metric in table:
            values = table[metric].where(table[metric] != -1.0)
            beyond |= (values < (limit.below if limit.below is not None else -np.inf)) | (
                values > (limit.above if limit.above is not None else np.inf)
            )
    fenced = table["id"].isin({flag["id"] for flag in flag_outliers(table, "site")})
    for name, rows in (("rejected by a rater", worst < 0), ("accepted by all", worst > 0)):
        print(
            f"{int(rows.sum())} scans of ABIDE {name}: {100 * beyond[rows].mean():.1f} % "
            f"beyond a limit, {100 * fenced[rows].mean():.1f} % beyond the fences of their site"
        )


if __name__ == "__main__":
    main()
