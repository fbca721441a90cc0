"""The feature dictionary: what a column of a PyRadiomics feature table means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harmonize_kit.core.feature_definitions import DEFINITIONS, Definition

# Filters by the name PyRadiomics gives their image: the unit of an intensity on it, and whether it
# changes with the size of the voxels. Square, root, logarithm and exponential are scaled back to
# the range of the image; the Laplacian of Gaussian is normalised across scales.
FILTERS = (
    (r"original", "intensity", False),
    (r"log-sigma-\d+(?:-\d+)?-mm-3D", "intensity", True),
    (r"wavelet\d*-[HL]{1,3}", "intensity", False),
    (r"square|squareroot|logarithm|exponential", "intensity", False),
    (r"gradient", "intensity/mm", True),
    (r"lbp-2D|lbp-3D-m\d+|lbp-3D-k", "1", False),
)
_NAME = re.compile(
    rf"(?:(?P<modality>.+)_)?(?P<filter>{'|'.join(pattern for pattern, _, _ in FILTERS)})"
    rf"_(?P<family>{'|'.join(DEFINITIONS)})_(?P<feature>[A-Za-z0-9]+)"
)


@dataclass(frozen=True)
class FeatureDescription:
    """What one feature column means.

    Parameters
    ----------
    name : str
        The column, ``{modality_}{filter}_{family}_{feature}``.
    modality, filter, family, feature : str
        Its parts; no modality is empty.
    unit : str
        ``mm``, ``mm^2``, ``mm^3``, ``1/mm``, ``1`` (dimensionless), or by ``intensity``, which is
        the unit of the image that was measured (after normalisation, where there was one).
    depends_on_voxel_size : bool
        Whether the value changes where the same voxels are declared larger or smaller.
    depends_on_voxel_count : bool
        Whether the value changes with the number of voxels where their content stays the same.
        Textures depend on the grid in a further way, through what lies next to what; only
        resampling to one grid makes them comparable.
    ibsi_code, ibsi_name : str
        IBSI's code and name of the feature, empty where the definition is not IBSI's. The code
        names the feature, not the filter before it.
    ibsi_note : str
        How the definition differs from IBSI's, or under which setting it would.
    """

    name: str
    modality: str
    filter: str
    family: str
    feature: str
    unit: str
    depends_on_voxel_size: bool
    depends_on_voxel_count: bool
    ibsi_code: str
    ibsi_name: str
    ibsi_note: str


def describe_feature(name: str) -> FeatureDescription | None:
    """Return what the column ``name`` means, or None if PyRadiomics makes no such column.

    Examples
    --------
    >>> describe_feature("t1_original_shape_MeshVolume").unit
    'mm^3'
    >>> describe_feature("lh_bankssts_thickness") is None
    True
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    modality, image, family = found["modality"] or "", found["filter"], found["family"]
    known = [entry for entry in DEFINITIONS[family] if entry.feature == found["feature"]]
    if not known or (family in {"shape", "shape2D"} and image != "original"):
        return None
    return _description(name, modality, image, family, known[0])


def feature_dictionary() -> tuple[FeatureDescription, ...]:
    """Return every feature PyRadiomics defines, as measured on the original image."""
    return tuple(
        _description(f"original_{family}_{entry.feature}", "", "original", family, entry)
        for family, entries in DEFINITIONS.items()
        for entry in entries
    )


def _description(
    name: str, modality: str, image: str, family: str, entry: Definition
) -> FeatureDescription:
    unit, sees_voxel_size = next(
        (unit, sees) for pattern, unit, sees in FILTERS if re.fullmatch(pattern, image)
    )
    return FeatureDescription(
        name, modality, image, family, entry.feature, _unit(entry.unit, unit),
        "s" in entry.depends or sees_voxel_size, "n" in entry.depends,
        entry.code, entry.name, entry.note,
    )  # fmt: skip


def _unit(unit: str, intensity: str) -> str:
    """Return ``unit`` with the unit of a filtered image in the place of ``intensity``."""
    if not unit.startswith("intensity") or intensity == "intensity":
        return unit
    power, _, rest = unit.removeprefix("intensity").partition(" ")
    if intensity == "1":
        return rest or "1"
    return " ".join(
        part for part in (f"({intensity}){power}" if power else intensity, rest) if part
    )
