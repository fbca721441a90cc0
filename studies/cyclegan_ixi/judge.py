"""Judging images against the same heads on the scanner that is aimed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import render
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

import harmonize_kit as hk

# Regions of DLMUSE with fewer voxels tell more of their border than of their tissue.
SMALLEST_REGION = 30
# Regions whose features are extracted, by the labels of DLMUSE that they are made of.
FEATURE_REGIONS = {
    1: (36, 37, 57, 58),  # caudate and putamen
    2: (59, 60),  # thalamus
    3: (81, 82),  # frontal white matter
    4: (71, 72, 73),  # vermis
    5: (142, 143),  # middle frontal gyrus
}
COMBAT = " + combat"
# The truth, and what was made of the other site; a bias is in standard deviations of the truth.
AIM, MADE = "aim", "made"
MEASURES = {
    "ccc": "ccc",
    "icc": "icc",
    "site_bias": "bias",
    "site_bias_size": "bias_size",
    "site_balanced_accuracy_linear": "probe",
}
PARAMS = {
    "imageType": {"Original": {}},
    "featureClass": {"firstorder": [], "glcm": [], "glrlm": [], "gldm": []},
    # Images are z-scores: some twenty to sixty bins a region; energies of positive numbers.
    "setting": {"binWidth": 0.1, "voxelArrayShift": 5},
}


@dataclass(frozen=True)
class Head:
    """One head as made, as it was, and as it should be; arrays (z, y, x)."""

    subject: str
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    truth: NDArray[np.float64]
    inside: NDArray[np.bool_]
    lesion: NDArray[np.bool_]
    regions: NDArray[np.int64]


def read(path: str | Path) -> NDArray[np.float64]:
    """Read an image as an array (z, y, x)."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.float64)


def read_heads(made: Mapping[str, str], before: pd.DataFrame, truth: pd.DataFrame) -> list[Head]:
    """Read the heads of a method.

    Parameters
    ----------
    made : mapping of str to str
        Image by subject.
    before, truth : DataFrame
        Rows by subject: what methods are given, and what they are to make of it.
    """
    return [
        Head(
            subject,
            read(before.loc[subject, "Image"]),
            read(path),
            read(truth.loc[subject, "Image"]),
            read(before.loc[subject, "Brain_mask"]) > 0,
            read(before.loc[subject, "Mask"]) > 0,
            read(before.loc[subject, "Regions"]).astype(np.int64),
        )
        for subject, path in made.items()
    ]


def image_scores(heads: list[Head]) -> dict[str, float]:
    """Return how near images come to the truth, voxel by voxel and region by region."""
    after, truth = (
        {head.subject: _volume(head, image(head)) for head in heads}
        for image in (lambda head: head.after, lambda head: head.truth)
    )
    card = hk.compare_images({"made": after}, truth=truth, config=None)
    found = {score.metric: score.value for score in card}
    apart = [float(np.sqrt(np.mean((h.after - h.truth)[h.inside] ** 2))) for h in heads]
    lesions = np.array(
        [[_lesion(h, image) for image in (h.after, h.before, h.truth)] for h in heads]
    )
    contrast = lesions.mean(axis=0)
    return {
        "psnr": found["image_psnr"],
        "ssim": found["image_ssim"],
        "rmse": float(np.mean(apart)),
        **_region_scores(heads),
        "lesion": float(contrast[0]),
        "lesion_of_input": float(contrast[0] / contrast[1]),
        "lesion_of_truth": float(contrast[0] / contrast[2]),
        "lesion_error": float(np.abs(lesions[:, 0] - lesions[:, 2]).mean()),
        "background_equal": float(all(
            np.array_equal(h.after[~h.inside], h.before[~h.inside]) for h in heads
        )),
    }  # fmt: skip


def _volume(head: Head, image: NDArray[np.float64]) -> hk.Volume:
    """Return an image whose background is its smallest value: what is no content to compare."""
    lowest = head.truth[head.inside].min() - 1e-3
    values = np.where(head.inside, image, lowest)
    size = (values.shape[2], values.shape[1], values.shape[0])
    return hk.Volume(values, hk.Geometry(size, spacing=(render.SPACING,) * 3))


def _lesion(head: Head, image: NDArray[np.float64]) -> float:
    """Return how much darker lesions are than what lies around them."""
    near = ndimage.binary_dilation(head.lesion, iterations=2)
    around = ndimage.binary_dilation(near, iterations=2) & ~near & head.inside
    return float(image[around].mean() - image[head.lesion].mean())


def _region_scores(heads: list[Head]) -> dict[str, float]:
    """Return the mean error of region means, by class too, and their agreement over subjects."""
    counts = [np.bincount(head.regions.ravel(), minlength=256) for head in heads]
    kept = [int(label) for label in np.flatnonzero(np.min(counts, axis=0) >= SMALLEST_REGION)[1:]]
    made, truth = (
        np.array([ndimage.mean(image(head), head.regions, kept) for head in heads])
        for image in (lambda head: head.after, lambda head: head.truth)
    )
    error = np.abs(made - truth)
    found = {"roi_error": float(error.mean())}
    for name, labels in render.CLASSES.items():
        of_class = np.isin(kept, labels)
        if of_class.any():
            found[f"roi_error_{name.replace(' ', '_')}"] = float(error[:, of_class].mean())
    both = 2 * ((made - made.mean(0)) * (truth - truth.mean(0))).mean(0)
    size = made.var(0) + truth.var(0) + (made.mean(0) - truth.mean(0)) ** 2
    return {**found, "roi_ccc": float(np.median(both / size))}


def feature_regions(row: pd.Series, folder: Path) -> str:
    """Return the file of the regions whose features are extracted, made at need."""
    path = folder / f"{row['subject']}_features.nii.gz"
    if not path.exists():
        regions = read(row["Regions"]).astype(np.int64)
        made = np.zeros(regions.shape, np.uint8)
        for number, labels in FEATURE_REGIONS.items():
            made[np.isin(regions, labels)] = number
        render.write(made, path)
    return str(path)


def one_row_an_image(table: pd.DataFrame) -> pd.DataFrame:
    """Return features of an image in one row, the region's number before each name."""
    features = [name for name in table.columns if name.startswith("original_")]
    wide = table.pivot(index="case_id", columns="Label", values=features)
    wide.columns = [f"{label}_{name}" for name, label in wide.columns]
    return wide.astype(float)


def feature_scores(
    table: pd.DataFrame, methods: list[str], folder: Path
) -> dict[str, dict[str, float]]:
    """Return how features of each method agree with the truth's, and what a probe finds.

    The rows of the method ``AIM`` are the truth. A method is judged with them as one table of two
    sites, subjects seen at both: the concordance of each subject's features, and whether
    classifiers that are trained anew, by subjects, tell the sites apart. Networks, and doing
    nothing, are judged with ComBat after them too.
    """
    about = table.drop_duplicates("case_id").set_index("case_id")[["method", "subject"]]
    wide = about.join(one_row_an_image(table))
    truth = wide[wide["method"] == AIM].assign(site=AIM)
    found: dict[str, dict[str, float]] = {}
    for kind, part in (("first_order", "_firstorder_"), ("texture", "original_gl")):
        names = [name for name in wide.columns if part in name]
        judged: dict[str, hk.FeatureTable | tuple[hk.FeatureTable, hk.ComBat]] = {}
        for method in methods:
            both = pd.concat([truth, wide[wide["method"] == method].assign(site=MADE)])
            both = both.assign(id=both["site"] + both["subject"])
            path = folder / f"{kind}-{method.replace(' ', '-')}.csv"
            both[["id", "subject", "site", *names]].to_csv(path, index=False)
            judged[method] = hk.read_feature_table(path, patterns=["*original_*"])
            if method == methods[0] or "cyclegan" in method:
                judged[method + COMBAT] = (judged[method], hk.ComBat())
        card = hk.compare(judged, site="site", subject="subject", table=judged[methods[0]])
        for score in card:
            if score.metric in MEASURES:
                name = f"{kind}_{MEASURES[score.metric]}"
                found.setdefault(score.candidate, {})[name] = score.value
                if score.null is not None:
                    found[score.candidate][f"{name}_p"] = score.null.p
    return found
