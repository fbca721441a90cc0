"""A glioma patient from native space through the preset brain-mr-glioma, in numbers.

    python tests/benchmarks/glioma.py --data FOLDER -o OUT

FOLDER holds images/brain_tumour_tcga_fg6692: four contrasts as the scanner gave them, and the same
in BraTS space, stripped, with a segmentation that exists there only. The preset is run without it
first; the stripped t1c that comes out is registered to the BraTS one, rigidly, and back along the
transforms that the run wrote the segmentation goes to the native grid. So the case enters the
preset, a second time, as a cohort would: native images, and a lesion drawn on one of them.

Printed are the lesion that comes out against the segmentation carried straight to the output grid,
the contrast of the lesion to the brain in every channel before and after, and how far the channels
agree with each other. OUT/cohort.csv, and the page of pictures under OUT/run, are there to look at.
"""

from __future__ import annotations

import argparse
import importlib.resources
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
import yaml
from numpy.typing import NDArray

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.flows.preprocess import preprocess_to_folder
from harmonize_kit.preprocess.registration_carry import carry_image, carry_labels
from harmonize_kit.preprocess.registration_pair import align
from harmonize_kit.preprocess.registration_quality import dice
from harmonize_kit.preprocess.registration_view import view_of
from harmonize_kit.preprocess.transforms import Affine
from harmonize_kit.storage.images import read_image, read_mask
from harmonize_kit.storage.nifti_product import write_nifti

CONTRASTS = {"t1": "t1", "t1c": "t1c", "t2": "t2", "flair": "fla"}
CONFIG = RegistrationConfig()
CASE = "TCGA-FG-6692"


@dataclass(frozen=True)
class Composed:
    """ITK transforms applied one after the other, the first given first."""

    steps: tuple[sitk.Transform, ...]
    is_identity: bool = False

    def to_itk(self) -> sitk.Transform:
        """Return them as ITK has them, which applies the last one added first."""
        whole = sitk.CompositeTransform(3)
        for step in reversed(self.steps):
            whole.AddTransform(step)
        return whole


def place_in_brats(folder: Path, images: Path) -> Affine:
    """Return the rigid transform from points of the output to points of BraTS space, by t1c."""
    output = read_image(made_of(images, "_t1c.nii.gz"))
    mask = read_mask(made_of(images, "_mask.nii.gz")).array
    brain = Volume(output.array, output.geometry, (mask > 0).astype(np.uint8))
    brats = view_of(read_image(folder / f"{CASE}_t1c_bet.nii.gz"), "BraTS t1c")
    found = align(view_of(brain, "output t1c"), brats, "rigid", CONFIG)
    print(f"output t1c to BraTS t1c: mutual information {found.information_end:.3f}")
    return found.transform


def native_lesion(folder: Path, images: Path, to_brats: Affine, path: Path) -> None:
    """Write the lesion on the grid of the native t1c."""
    steps = [sitk.ReadTransform(str(made_of(images, "_transform_t1c.tfm")))]
    moved = [path for path in images.iterdir() if path.name.endswith("_coregistration_t1c.tfm")]
    steps += [sitk.ReadTransform(str(path)) for path in moved]
    back = tuple(step.GetInverse() for step in reversed(steps))
    native = read_image(folder / f"{CASE}_raw_t1c.nii.gz")
    truth = read_mask(folder / f"{CASE}_seg_fusion_mav.nii.gz")
    onto = Composed((*back, to_brats.to_itk()))
    write_nifti(carry_labels(truth, onto, native.geometry), path)


def run_preset(folder: Path, out: Path, lesion: Path | None = None) -> Path:
    """Take the case through the preset and return the folder of its images."""
    out.mkdir(parents=True, exist_ok=True)
    row = {"id": CASE} if lesion is None else {"id": CASE, "Mask": str(lesion), "Label": "all"}
    row |= {
        f"Image_{name}": str(folder / f"{CASE}_raw_{theirs}.nii.gz")
        for name, theirs in CONTRASTS.items()
    }
    pd.DataFrame([row]).to_csv(out / "cohort.csv", index=False)
    presets = importlib.resources.files("harmonize_kit_configs") / "preprocess"
    config: dict[str, Any] = yaml.safe_load((presets / "brain-mr-glioma.yaml").read_text())
    run = preprocess_to_folder(out / "cohort.csv", out / "run", config | {"drawn_on": "t1c"})
    assert run.table is not None
    for note in run.table["preprocess_notes"].iloc[0].split("; "):
        print(f"  note: {note}")
    for stage, times in run.stages.items():
        print(f"  {stage:<12} CPU s {times['cpu_seconds']:.1f}")
    return (out / "run" / str(run.table["Image_t1c"].iloc[0])).parent


def made_of(images: Path, end: str) -> Path:
    """Return the one file of the case whose name ends so."""
    return next(path for path in sorted(images.iterdir()) if path.name.endswith(end))


def compare_lesions(folder: Path, images: Path, to_brats: Affine) -> None:
    """Print the overlap of the lesion that came out with the segmentation carried straight."""
    truth = read_mask(folder / f"{CASE}_seg_fusion_mav.nii.gz")
    came = read_mask(made_of(images, "_labels.nii.gz"))
    straight = carry_labels(truth, to_brats, came.geometry).array
    print("lesion that came out, against the segmentation carried straight     Dice  volume ratio")
    rows: list[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]] = [
        ("all", came.array > 0, straight > 0)
    ]
    rows += [(str(n), came.array == n, straight == n) for n in np.unique(truth.array) if n]
    for label, ours, theirs in rows:
        ratio = ours.sum() / max(int(theirs.sum()), 1)
        print(f"  label {label:<55} {dice(ours, theirs):8.3f} {ratio:8.3f}")
    ml = [float((v.array > 0).sum() * np.prod(v.geometry.spacing) / 1000) for v in (truth, came)]
    print(f"  ml in BraTS space {ml[0]:.1f}, after the preset {ml[1]:.1f}")


def contrast(image: NDArray[Any], lesion: NDArray[Any], brain: NDArray[Any]) -> float:
    """Return the lesion's mean less that of the rest of the brain, in SD of the rest."""
    inside, rest = (lesion > 0) & (brain > 0), (lesion == 0) & (brain > 0)
    return float((image[inside].mean() - image[rest].mean()) / image[rest].std())


def compare_contrasts(folder: Path, images: Path, out: Path) -> None:
    """Print the contrast of the lesion in each channel: native, after the preset, in BraTS."""
    truth = read_mask(folder / f"{CASE}_seg_fusion_mav.nii.gz").array
    labels = read_mask(made_of(images, "_labels.nii.gz")).array
    brain = read_mask(made_of(images, "_mask.nii.gz"))
    lesion = read_mask(out / "lesion.nii.gz")
    native_t1c = read_image(folder / f"{CASE}_raw_t1c.nii.gz").geometry
    back = sitk.ReadTransform(str(made_of(images, "_transform_t1c.tfm"))).GetInverse()
    cut = carry_labels(brain, Composed((back,)), native_t1c)
    print("contrast of the lesion to the brain, in SD     native    output    BraTS")
    for name, theirs in CONTRASTS.items():
        raw = read_image(folder / f"{CASE}_raw_{theirs}.nii.gz")
        onto = carry_image(raw, Affine(), native_t1c).array
        bet = read_image(folder / f"{CASE}_{theirs}_bet.nii.gz").array
        output = read_image(made_of(images, f"_{name}.nii.gz")).array
        found = (
            contrast(onto, lesion.array, cut.array),
            contrast(output, labels, brain.array),
            contrast(bet, truth, bet != 0),
        )
        print(f"  {name:<42}" + "".join(f"{value:10.2f}" for value in found))


def normalised_information(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return (H(A) + H(B)) / H(A, B) of two images, 64 grey levels each (Studholme 1999)."""
    joint = np.histogram2d(one, other, bins=64)[0] / one.size
    entropies = [-float(np.sum(p[p > 0] * np.log(p[p > 0]))) for p in
                 (joint.sum(axis=0), joint.sum(axis=1), joint)]  # fmt: skip
    return (entropies[0] + entropies[1]) / entropies[2]


def compare_channels(folder: Path, images: Path) -> None:
    """Print how much the channels tell of each other: as they came, after the preset, BraTS."""
    brain = read_mask(made_of(images, "_mask.nii.gz")).array > 0
    bets = {n: read_image(folder / f"{CASE}_{t}_bet.nii.gz").array for n, t in CONTRASTS.items()}
    shared = np.all([bet != 0 for bet in bets.values()], axis=0)
    ours = {name: read_image(made_of(images, f"_{name}.nii.gz")).array for name in CONTRASTS}
    print("normalised mutual information of channels in the brain     output    BraTS")
    for one, other in combinations(CONTRASTS, 2):
        found = (
            normalised_information(ours[one][brain], ours[other][brain]),
            normalised_information(bets[one][shared], bets[other][shared]),
        )
        print(f"  {f'{one}, {other}':<52}" + "".join(f"{value:10.4f}" for value in found))


def compare_brains(folder: Path, images: Path) -> None:
    """Print the overlap of the brain of the preset with that of the BraTS images."""
    brain = read_mask(made_of(images, "_mask.nii.gz"))
    t1c = read_image(made_of(images, "_t1c.nii.gz"))
    masked = Volume(t1c.array, t1c.geometry, (brain.array > 0).astype(np.uint8))
    brats = read_image(folder / f"{CASE}_t1c_bet.nii.gz")
    bet = Volume((brats.array != 0).astype(np.uint8), brats.geometry)
    found = align(view_of(masked, "output"), view_of(brats, "BraTS"), "rigid", CONFIG)
    carried = carry_labels(bet, found.transform, brain.geometry)
    ml = [float((v.array > 0).sum() * np.prod(v.geometry.spacing) / 1000) for v in (brain, bet)]
    overlap = dice(brain.array, carried.array)
    print(f"brain: Dice with BraTS' {overlap:.3f}; ml here {ml[0]:.0f}, there {ml[1]:.0f}")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.data / "images" / "brain_tumour_tcga_fg6692"
    out: Path = arguments.output.resolve()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    first = run_preset(folder, out / "without")
    to_brats = place_in_brats(folder, first)
    native_lesion(folder, first, to_brats, out / "lesion.nii.gz")
    images = run_preset(folder, out, out / "lesion.nii.gz")
    compare_lesions(folder, images, to_brats)
    compare_contrasts(folder, images, out)
    compare_channels(folder, images)
    compare_brains(folder, images)


if __name__ == "__main__":
    main()
