"""Damaged, odd and hostile cases, made from a seed. What must become of each: manifest.yaml."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from corpus.builders import MAKERS, whole

# Each module adds its cases to MAKERS.
for _name in ("nifti_cases", "nrrd_metaimage_cases", "intensity_cases", "mask_cases"):
    import_module(f"corpus.{_name}")
# Their files are whole.
HOSTILE_IDS = (
    "id_leading_zeros", "id_like_a_number", "id_like_nothing", "id_none",
    "id_with_commas_and_quotes", "formula_id", "formula_id_minus", "script_in_id",
    "path_traversal_id", "absolute_path_id", "absolute_outside_root", "windows_reserved_con",
    "rtl_override_in_id", "long_id",
)  # fmt: skip
MAKERS.update(dict.fromkeys(HOSTILE_IDS, whole))


def make_case(name: str, folder: Path) -> tuple[Path, Path]:
    """Write the files of a case into ``folder`` and return the paths of image and mask."""
    here = folder / name
    here.mkdir(parents=True)
    image, mask = MAKERS[name](here)
    return here / image, here / mask
