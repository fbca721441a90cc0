"""Deformable registration of a head bent by a known field, and of real heads to each other.

    .venv/bin/python tests/benchmarks/registration_deformable.py [--heads FOLDER] [--every 18]

The known head is the MNI152 template bent by a smooth random field of at most 7 mm (Gaussian noise
smoothed by an SD of 18 mm), with the square root of its contrast and a bias field. It is registered
without an affine step, so that what is missed (target registration error in the brain) is missed
by the deformable part.

FOLDER holds real heads ``*_T1.nii.gz`` with regions of the brain ``*_T1_DLMUSE.nii.gz``. Each is
registered to MNI152, affine and deformable; then the regions of every two heads are compared on the
template's grid of 2 mm (Dice, mean over regions and pairs), which no template's own labels decide.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.deformation import Deformation, on_grid
from harmonize_kit.preprocess.registration_carry import carry_image, carry_labels
from harmonize_kit.preprocess.registration_deformable import Deformed, deform
from harmonize_kit.preprocess.registration_pair import align
from harmonize_kit.preprocess.registration_quality import dice
from harmonize_kit.preprocess.registration_view import View, points_inside, view_of
from harmonize_kit.preprocess.template import load_template, output_geometry
from harmonize_kit.preprocess.transforms import Affine
from harmonize_kit.preprocess.warp import Warp
from harmonize_kit.storage.images import read_image, read_mask

CONFIG = RegistrationConfig(to_template="deformable", resolution=2)
LARGEST_MM, SMOOTH_MM, KNOTS_MM = 7.0, 18.0, 6.0


def known_field(seed: int) -> Warp:
    """Return a smooth random deformation of the template's space."""
    grid = output_geometry(CONFIG, load_template(CONFIG))
    rng = np.random.default_rng(seed)
    sigma = SMOOTH_MM / 2.0
    parts = [
        ndimage.gaussian_filter(rng.standard_normal(grid.size[::-1]), sigma, mode="constant")
        for _ in range(3)
    ]
    field = np.stack(parts, axis=-1)
    field *= LARGEST_MM / float(np.linalg.norm(field, axis=-1).max())
    return Warp.fit(field, grid, KNOTS_MM)


def told(deformed: Deformed, seconds: float) -> str:
    """Return the numbers of one registration as columns."""
    found = deformed.found
    return (
        f"{found['jacobian']['least']:8.3f} {found['inverse_mm']['mean']:8.4f} "
        f"{found['inverse_mm']['most']:7.3f} {seconds:7.1f}  used {found['used']}"
    )


def known_head(fixed: View, seed: int) -> None:
    """Register the bent head, and print what was missed."""
    template, truth = load_template(CONFIG), known_field(seed)
    bent = on_grid({"": Deformation(truth, truth, Affine())}, template.geometry)[""]
    moved = carry_image(template, bent, template.geometry)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in moved.array.shape), indexing="ij")
    bias = np.exp(0.35 * (0.6 * x + 0.5 * y * z - 0.4 * z**2))
    scan = moved.with_array((np.sqrt(np.clip(moved.array, 0, None)) * bias).astype(np.float32))
    moving = view_of(scan, "the bent head")
    used = time.process_time()
    deformed = deform(fixed, moving, Affine(), CONFIG)
    used = time.process_time() - used
    assert fixed.region is not None
    points = points_inside(fixed.region)[::50]
    for name, places in (("as it is", points), ("registered", deformed.transform.apply(points))):
        missed = np.linalg.norm(truth.apply(places) - points, axis=1)
        print(
            f"  seed {seed} {name:<12} mm mean {missed.mean():.3f} "
            f"p95 {np.percentile(missed, 95):.3f} most {missed.max():.3f}", flush=True,
        )  # fmt: skip
    print(f"  {'':<20} {told(deformed, used)}", flush=True)


def real_heads(fixed: View, folder: Path, every: int) -> None:
    """Register real heads, and print how well their regions agree."""
    grid = output_geometry(CONFIG, load_template(CONFIG))
    regions: dict[str, list[NDArray[Any]]] = {"affine": [], "deformable": []}
    for path in sorted(folder.glob("*_T1.nii.gz"))[::every]:
        head = read_image(path)
        labels = read_mask(path.with_name(path.name.replace("_T1.", "_T1_DLMUSE.")))
        moving = view_of(replace(head, mask=(labels.array > 0).astype(np.uint8)), path.name)
        affine = align(fixed, moving, "affine", CONFIG).transform
        used = time.process_time()
        deformed = deform(fixed, moving, affine, CONFIG)
        print(f"  {path.name:<30} {told(deformed, time.process_time() - used)}", flush=True)
        for name, transform in (("affine", affine), ("deformable", deformed.transform)):
            carried = carry_labels(labels, on_grid({"": transform}, grid)[""], grid)
            regions[name].append(carried.array)
    template = load_template(CONFIG)
    assert template.mask is not None
    brain = carry_labels(Volume(template.mask, template.geometry), Affine(), grid).array
    print("regions of two heads (Dice)       mean    least pair    brain and template's")
    for name, arrays in regions.items():
        pairs = [agreement(one, other) for one, other in combinations(arrays, 2)]
        brains = [dice(array, brain) for array in arrays]
        print(
            f"  {name:<28} {np.mean(pairs):8.3f} {min(pairs):12.3f} {np.mean(brains):14.3f}",
            flush=True,
        )


def agreement(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the Dice of two label images, mean over the labels that either has."""
    labels = np.union1d(np.unique(one), np.unique(other))
    return float(np.mean([dice(one == label, other == label) for label in labels if label]))


def main() -> None:
    """Print the table of the known head, and of real ones where there are some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--heads", type=Path, help="folder of heads and their regions")
    parser.add_argument("--every", type=int, default=18, help="take every n-th head")
    arguments = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    fixed = view_of(load_template(CONFIG), "the template")
    print("columns: least Jacobian, there and back mm mean and most, CPU s")
    for seed in arguments.seeds:
        known_head(fixed, seed)
    if arguments.heads is not None:
        real_heads(fixed, arguments.heads, arguments.every)


if __name__ == "__main__":
    main()
