"""Small scans on disk, as tables and folders that preprocessing reads."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from numpy.typing import NDArray

MODALITIES = ("t1", "t1ce", "t2", "flair")
BRATS_AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1.0, 0, 239], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
OBLIQUE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.1, -0.2, 0.3) * (0.9, 0.9, 2.5), (-20.1, -31.7, 4.3)
)


def ball(size: tuple[int, int, int] = (12, 11, 8), radius: float = 4.2) -> NDArray[np.bool_]:
    """A ball in the middle of an array (x, y, z)."""
    place = np.indices(size)
    middle = np.reshape(size, (3, 1, 1, 1)) / 2
    inside: NDArray[np.bool_] = ((place - middle) ** 2).sum(axis=0) < radius**2
    return inside


def save(array: NDArray[np.generic], path: Path, affine: NDArray[np.float64] = OBLIQUE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    image.set_qform(affine, 1, strip_shears=True)
    nibabel.save(image, path)
    return path


def make_cohort(folder: Path, cases: int = 3, modalities: tuple[str, ...] = ("t1",)) -> Path:
    """A table of cases with lesion labels and brain mask; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    brain = ball()
    for number in range(cases):
        rng = np.random.default_rng(number)
        row = {"id": f"00{number}"}
        for modality in modalities:
            image = (rng.normal(300 + 50 * number, 40, brain.shape) * brain + 5).astype(np.int16)
            save(image, folder / f"{number}_{modality}.nii.gz")
            row[f"Image_{modality}"] = f"{number}_{modality}.nii.gz"
        save(brain.astype(np.uint8), folder / f"{number}_brain.nii.gz")
        save((ball(radius=2) * 4).astype(np.uint8), folder / f"{number}_lesion.nii.gz")
        row |= {"Mask": f"{number}_lesion.nii.gz", "Brain_mask": f"{number}_brain.nii.gz"}
        rows.append(row | {"Label": "4", "site": "AB"[number % 2], "age": f"{40 + number}"})
    table = folder / "cohort.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    return table


def make_brats(root: Path, high: int = 2, low: int = 1) -> Path:
    """A tree CLASS/PATIENT/PATIENT_modality.nii.gz of skull-stripped images with segmentations."""
    brain = ball()
    for group, count in (("HGG", high), ("LGG", low)):
        for number in range(count):
            name = f"Brats18_{group}_{number}"
            rng = np.random.default_rng([number, len(group)])
            for place, modality in enumerate(MODALITIES):
                image = rng.normal(400 + 100 * place, 60, brain.shape) * brain
                save(
                    image.astype(np.int16), root / group / name / f"{name}_{modality}.nii.gz",
                    BRATS_AFFINE,
                )  # fmt: skip
            lesion = (ball(radius=2) * 4).astype(np.uint8)
            save(lesion, root / group / name / f"{name}_seg.nii.gz", BRATS_AFFINE)
    return root


def contents(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    """Return the bytes of the files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob(pattern))
        if path.is_file()
    }


def times(folder: Path) -> dict[str, int]:
    """Return when each file and folder below a folder was changed."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
