"""Whether every case of a folder of real images gives PyRadiomics' numbers, to the bit.

    python tests/benchmarks/equality.py --data FOLDER [--only FOLDER_NAME] [--labels 2]

Each case is measured here and by plain PyRadiomics (whole image, one thread) with Original, LoG 1,
2 and 3 mm and wavelet, as it is and resampled to 1 mm. Of masks with many labels the largest and
smallest are taken.
"""

from __future__ import annotations

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import CaseError
from harmonize_kit.features import FeatureExtractor
from harmonize_kit.storage.images import read_image, read_mask

FILTERS: dict[str, Any] = {"Original": {}, "LoG": {"sigma": [1.0, 2.0, 3.0]}, "Wavelet": {}}
SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "1 mm": {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBSpline"},
}


def main() -> None:
    """Print one line a case and setting, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only")
    parser.add_argument("--labels", type=int, default=2)
    asked = parser.parse_args()
    regions = features = equal = 0
    worst = 0.0
    for name, image, mask in _pairs(asked.data / "images"):
        if asked.only and asked.only not in str(image):
            continue
        volume = read_image(image).with_mask(read_mask(mask), 1e-3)
        for label in _some_labels(volume, asked.labels):
            for setting_name, setting in SETTINGS.items():
                config = ExtractionConfig(imageType=FILTERS, setting=setting)
                told, found, apart = _compare(volume, label, config)
                regions += 1
                features += told
                equal += found
                worst = max(worst, apart)
                print(f"{name} {label} {setting_name}: {found}/{told} {apart:.1e}", flush=True)
    print(
        f"{regions} regions: {equal} of {features} features equal, largest difference {worst:.1e}"
    )


def _compare(volume: Volume, label: int, config: ExtractionConfig) -> tuple[int, int, float]:
    results: list[dict[str, float] | str] = []
    for engine in ("pyradiomics", "native"):
        try:
            extractor = FeatureExtractor(config, engine)
            results.append(dict(extractor.extract(volume, label).values))
        except CaseError as error:
            results.append(error.code)
    theirs, ours = results
    if isinstance(theirs, str) or isinstance(ours, str):
        print(f"PyRadiomics: {str(theirs)[:40]}, here: {str(ours)[:40]}")
        return 0, 0, 0.0
    assert list(theirs) == list(ours)
    a, b = (np.array(list(values.values())) for values in (theirs, ours))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart = np.abs(a - b)[~same] / np.maximum(np.abs(a[~same]), 1e-300)
    return len(a), int(same.sum()), float(apart.max(initial=0.0))


def _some_labels(volume: Volume, count: int) -> list[int]:
    assert volume.mask is not None
    labels, sizes = np.unique(volume.mask[volume.mask > 0], return_counts=True)
    order = [int(label) for label in labels[np.argsort(sizes)] if label > 0]
    usable = [label for label in order if sizes[labels == label][0] > 30]
    return usable[-1:] + usable[: count - 1] if len(usable) > count else usable


def _pairs(images: Path) -> Iterator[tuple[str, Path, Path]]:
    for image in sorted((images / "pyradiomics_cases").glob("*_image.nrrd")):
        yield image.stem, image, image.with_name(image.name.replace("_image", "_label"))
    for image in sorted((images / "sts_mr_t1").glob("*_image.nii.gz")):
        yield image.name[:7], image, image.with_name(image.name.replace("_image", "_mask"))
    tumour = images / "brain_tumour_tcga_fg6692"
    for image in sorted(tumour.glob("*_bet.nii.gz")):
        yield image.name[:-7], image, tumour / "TCGA-FG-6692_seg_fusion_mav.nii.gz"
    for image in sorted((images / "ixi_hh_t1_2mm").glob("*_T1.nii.gz")):
        mask = image.with_name(image.name.replace("_T1", "_T1_DLMUSE"))
        if mask.is_file():
            yield image.name[:6], image, mask


if __name__ == "__main__":
    main()
