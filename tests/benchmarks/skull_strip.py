"""How well deepbet's brain agrees with DLMUSE's on real heads, and what it costs.

    python tests/benchmarks/skull_strip.py --data FOLDER

FOLDER holds images/ixi_hh_t1_2mm: T1-weighted heads of 2 mm, each with the labels of DLMUSE. The
brain of DLMUSE is every voxel with a label (above 0), as it is, nothing closed or filled. Each line
is one head: Dice of the two masks on the grid of the image, volumes in ml, CPU seconds of one
thread, and the notes of the stage, if any.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import time
from pathlib import Path

import numpy as np

from harmonize_kit.config.skull_strip import SkullStripConfig
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.skull_strip import strip_skull
from harmonize_kit.storage.images import read_image


def main() -> None:
    """Print the table and its summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "images" / "ixi_hh_t1_2mm"
    dices: list[float] = []
    seconds: list[float] = []
    flagged: list[bool] = []
    print(f"{'head':20}{'Dice':>8}{'ml':>7}{'DLMUSE':>8}{'CPU s':>7}  notes")
    for path in sorted(folder.glob("*_T1.nii.gz")):
        truth = read_image(path.with_name(path.name.replace("_T1.", "_T1_DLMUSE."))).array > 0
        head = read_image(path)
        start = time.process_time()
        staged = strip_skull(Scans({"t1": head}), SkullStripConfig())
        seconds.append(time.process_time() - start)
        brain = np.asarray(staged.scans.images["t1"].mask) != 0
        dices.append(float(2 * (brain & truth).sum() / (brain.sum() + truth.sum())))
        flagged.append(bool(staged.notes))
        ml = np.prod(head.geometry.spacing) / 1000 * truth.sum()
        print(
            f"{path.name[:19]:20}{dices[-1]:8.4f}{staged.decided['brain_ml']:7.0f}{ml:8.0f}"
            f"{seconds[-1]:7.1f}  {'; '.join(staged.notes)}",
            flush=True,
        )
    low = sum(dice < 0.95 and not note for dice, note in zip(dices, flagged, strict=True))
    print(
        f"{len(dices)} heads: median Dice {np.median(dices):.4f}, least {min(dices):.4f}, "
        f"{sum(flagged)} flagged, {low} under 0.95 and not flagged; CPU s a head: median "
        f"{np.median(seconds):.1f}, most {max(seconds):.1f}"
    )


if __name__ == "__main__":
    main()
