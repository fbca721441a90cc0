"""Small normalised heads of two scanners on disk, and networks small enough to train on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scans_on_disk import OBLIQUE, ball, save

SIZE = (16, 18, 5)
TINY: dict[str, Any] = {
    "generator": {"architecture": "unet", "features": 4, "blocks": 1, "smooth_field": True},
    "discriminator": {"features": 4, "layers": 1},
    "objective": {"replay": 4, "r1": 0.01, "r1_every": 2},
    "training": {
        "phases": [{"steps": 6}], "batch": 2, "log_every": 1, "checkpoint_every": 2,
        "generator_rate": 0.002, "discriminator_rate": 0.004, "average": 0.5,
    },
}  # fmt: skip


def make_heads(
    folder: Path,
    sites: str = "ABABAB",
    *,
    modalities: tuple[str, ...] = ("t1",),
    lesioned: tuple[int, ...] = (),
    sizes: tuple[int, int, int] = SIZE,
    radius: float = 6.0,
) -> Path:
    """A table of z-scored heads with brain masks, some with a lesion; those of B are brighter.

    Outside of the mask there is something to be kept, and the grid is oblique with its axes turned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    affine = OBLIQUE[:, [0, 2, 1, 3]] * (-1, 1, 1, 1)
    affine[3] = (0, 0, 0, 1)
    shape = (sizes[0], sizes[2], sizes[1])
    # Slices run along the second axis of the file.
    brain = np.repeat(ball((sizes[0], sizes[1], 1), radius).transpose(0, 2, 1), sizes[2], axis=1)
    rows: list[dict[str, str]] = []
    for number, site in enumerate(sites):
        rng = np.random.default_rng(number)
        row = {"id": f"{number:03d}"}
        for modality in modalities:
            texture = rng.normal(size=shape).cumsum(axis=0) / 3
            image = np.where(brain, texture + (1.0 if site == "B" else 0.0), 0.25)
            name = "_".join(filter(None, (f"{number}", modality)))
            save(image.astype(np.float32), folder / f"{name}.nii.gz", affine)
            row[f"Image_{modality}" if modality else "Image"] = f"{name}.nii.gz"
        save(brain.astype(np.uint8), folder / f"{number}_brain.nii.gz", affine)
        row |= {"Brain_mask": f"{number}_brain.nii.gz", "Mask": f"{number}_brain.nii.gz"}
        if number in lesioned:
            lesion = np.zeros(shape, dtype=np.uint8)
            lesion[6:9, 1:3, 7:10] = 1
            save(lesion, folder / f"{number}_lesion.nii.gz", affine)
            row["Mask"] = f"{number}_lesion.nii.gz"
        row |= {
            "Label": "1",
            "scanner": site,
            # Alike at all sites, where they have as many heads.
            "age": str(40 + sites[:number].count(site)),
            "sex": "fm"[sites[:number].count(site) % 2],
        }
        rows.append(row)
    table = folder / "cohort.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    return table


def edit(table: Path, **columns: list[str] | None) -> Path:
    """Change columns of a table; None takes one out."""
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    for name, cells in columns.items():
        frame = frame.drop(columns=name) if cells is None else frame.assign(**{name: cells})
    frame.to_csv(table, index=False)
    return table
