"""Registration of a head that is known, and of real ones: error, overlap, processor seconds.

    .venv/bin/python tests/benchmarks/registration.py [--heads FOLDER] [--every 4]

The known head is the MNI152 template on the grid of BraTS, and the same head turned by (8, -6, 12)
degrees, shifted by (10, -7, 5) mm and scaled by (1.06, 0.95, 1.03), with the square root of its
contrast and a bias field. It is registered both ways, which gives the target registration error and
the inverse consistency: how far a point of the brain comes back from where it was.

FOLDER holds real heads ``*_T1.nii.gz`` with labels of the brain ``*_T1_DLMUSE.nii.gz``. Each is
registered to MNI152 twice, stripped by its labels and as a whole head; the labels are carried along
and compared with the template's brain mask (Dice).
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.registration_carry import carry_image, carry_labels
from harmonize_kit.preprocess.registration_pair import Alignment, align
from harmonize_kit.preprocess.registration_quality import dice
from harmonize_kit.preprocess.registration_view import View, points_inside, view_of
from harmonize_kit.preprocess.template import load_template, output_geometry
from harmonize_kit.preprocess.transforms import Affine
from harmonize_kit.storage.images import read_image, read_mask

CONFIG = RegistrationConfig()


def deformation(centre: tuple[float, float, float]) -> Affine:
    """Return the transform that deforms the known head."""
    matrix = np.eye(3)
    for axis, degrees in enumerate((8.0, -6.0, 12.0)):
        angle, turn = np.deg2rad(degrees), np.eye(3)
        one, other = [(1, 2), (2, 0), (0, 1)][axis]
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[other, one] = np.sin(angle)
        turn[one, other] = -np.sin(angle)
        matrix = turn @ matrix
    scaled = matrix @ np.diag([1.06, 0.95, 1.03])
    return Affine(tuple(float(v) for v in scaled.ravel()), (10.0, -7.0, 5.0), centre)


def timed(fixed: View, moving: View) -> tuple[Alignment, float]:
    """Return an affine alignment and the processor seconds it took."""
    used = time.process_time()
    return align(fixed, moving, "affine", CONFIG), time.process_time() - used


def known_head() -> None:
    """Register the known head both ways, and print what was missed."""
    template = load_template(CONFIG)
    grid = output_geometry(RegistrationConfig(grid="brats"), template)
    first = carry_image(template, Affine(), grid)
    view = view_of(first, "the head")
    true = deformation(view.centre)
    moved = carry_image(template, true, grid)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in moved.array.shape), indexing="ij")
    bias = np.exp(0.35 * (0.6 * x + 0.5 * y * z - 0.4 * z**2))
    second = moved.with_array((np.sqrt(np.clip(moved.array, 0, None)) * bias).astype(np.float32))
    other = view_of(second, "the deformed head")
    there, seconds = timed(view, other)
    back, seconds_back = timed(other, view)
    assert view.region is not None
    points = points_inside(view.region)[::50]
    missed = there.transform.apply(points) - true.inverse().apply(points)
    missed_back = back.transform.apply(points) - true.apply(points)
    returned = back.transform.apply(there.transform.apply(points)) - points
    print("known head                          mean mm   max mm   CPU s")
    for name, error, cpu in (
        ("to the deformed head", missed, seconds),
        ("from the deformed head", missed_back, seconds_back),
        ("there and back", returned, seconds + seconds_back),
    ):
        length = np.linalg.norm(error, axis=1)
        print(f"  {name:<32} {length.mean():8.3f} {length.max():8.3f} {cpu:7.1f}")


def real_heads(folder: Path, every: int) -> None:
    """Register real heads to the template, stripped and whole, and print the overlap."""
    template = load_template(CONFIG)
    fixed = view_of(template, "the template")
    assert template.mask is not None
    overlaps: dict[str, list[float]] = {"stripped": [], "whole": []}
    seconds: dict[str, list[float]] = {"stripped": [], "whole": []}
    for path in sorted(folder.glob("*_T1.nii.gz"))[::every]:
        head = read_image(path)
        labels = read_mask(path.with_name(path.name.replace("_T1.", "_T1_DLMUSE.")))
        brain = Volume((labels.array > 0).astype(np.uint8), labels.geometry)
        for kind, scan in (("stripped", replace(head, mask=brain.array)), ("whole", head)):
            found, cpu = timed(fixed, view_of(scan, path.name))
            carried = carry_labels(brain, found.transform, template.geometry)
            overlaps[kind].append(dice(carried.array, template.mask))
            seconds[kind].append(cpu)
    print("\nreal heads     n   Dice median      min   CPU s median")
    for kind, found in overlaps.items():
        print(
            f"  {kind:<9} {len(found):4d} {np.median(found):13.4f} {min(found):8.4f} "
            f"{np.median(seconds[kind]):14.1f}"
        )


def main() -> None:
    """Print both tables; the second where there are real heads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=Path, help="folder of heads and their labels")
    parser.add_argument("--every", type=int, default=4, help="take every n-th head")
    arguments = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    known_head()
    if arguments.heads is not None:
        real_heads(arguments.heads, arguments.every)


if __name__ == "__main__":
    main()
