"""extract --voxel: a cohort in, maps of its features out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.features import FeatureExtractor
from harmonize_kit.flows.assemble import NOTE_COLUMN, Regions, asks_for_several
from harmonize_kit.flows.case_volumes import volumes_of
from harmonize_kit.storage.images import write_image
from harmonize_kit.storage.results import plain_name

FOLDER = "maps"


def measure_maps(
    case: Case, extractor: FeatureExtractor, folder: Path | None
) -> list[dict[str, Any]]:
    """Make the feature maps of a case and write them as NRRD under ``folder``.

    Returns
    -------
    list of dict
        One a label: ``label``; ``maps``, path relative to ``folder`` and bytes of the file, by
        feature name; ``notes``. Without a folder nothing is written.
    """
    regions: dict[int, dict[str, Any]] = {}
    for prefix, volume, mask_notes, image_notes in volumes_of(case, extractor):
        for label in extractor.labels(volume, case.labels):
            new: dict[str, Any] = {"label": label, "maps": {}, "notes": list(mask_notes)}
            region = regions.setdefault(label, new)
            region["notes"] += [f"{prefix}{note}" for note in image_notes]
            for feature, found in extractor.maps(volume, label).items():
                if folder is None:
                    continue
                name = plain_name(f"{prefix}{feature}")
                path = Path(FOLDER) / plain_name(case.id) / f"label-{label}_{name}.nrrd"
                write_image(found, folder / path)
                written = [path.as_posix(), (folder / path).stat().st_size]
                region["maps"][f"{prefix}{feature}"] = written
    return list(regions.values())


def maps_are_whole(regions: Iterable[Mapping[str, Any]], folder: Path) -> bool:
    """Tell whether every map of a kept result is still there, in its length."""
    for region in regions:
        for path, size in region.get("maps", {}).values():
            try:
                if (folder / path).stat().st_size != size:
                    return False
            except OSError:
                return False
    return True


def map_table(cohort: Cohort, regions_of: Regions) -> pd.DataFrame:
    """Return the paths of all maps: one row a region, one column a feature, as text."""
    several = asks_for_several(cohort)
    rows: list[dict[str, str]] = []
    for case in cohort:
        for region in regions_of(case) or ():
            row = {"id": f"{case.id}_label-{region['label']}" if several else case.id}
            row |= case.columns
            if several:
                row |= {"case_id": case.id, "Label": str(region["label"])}
            row[NOTE_COLUMN] = "; ".join(region["notes"])
            rows.append(row | {name: path for name, (path, _) in region["maps"].items()})
    return pd.DataFrame(rows, dtype=object).fillna("")
