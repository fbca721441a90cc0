"""The cohort of demo --images: phantom heads in two contrasts, at their site and on one scanner.

Everything is made by code: heads, scanners, contrasts. Each head is scanned at its site and also on
the reference scanner, so that what a translation should have given is there to hold it against.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.phantom import DEFAULT_SCANNERS, HeadPhantomConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import HarmonizeError
from harmonize_kit.execution import Failed, map_cases
from harmonize_kit.flows.output_folder import make_writable
from harmonize_kit.phantom import (
    CONTRASTS,
    LESION_LABEL,
    brain_mask,
    scan_contrasts,
    simulate_head,
)
from harmonize_kit.storage.columns import write_text_table
from harmonize_kit.storage.images import write_image, write_mask

# One scanner of 1.5 T and one of 3 T: contrast, coil, sharpness and noise differ.
SCANNERS = (DEFAULT_SCANNERS[0], DEFAULT_SCANNERS[2])
REFERENCE = SCANNERS[0].name
SITE, SPLIT, TRAIN, TEST = "site", "split", "train", "test"
TRAINING_SHARE = 0.4
AT_SITE, ONE_SCANNER = "scanned", "reference"
COHORTS = {AT_SITE: "cohort.csv", ONE_SCANNER: "cohort_one_scanner.csv"}
# Separates the noise of these scans from all else a head was drawn by.
SCANS = 101


@dataclass(frozen=True)
class ContrastWork:
    """One head to be scanned in all contrasts, as plain data for a worker."""

    config: HeadPhantomConfig
    seed: int
    index: int
    folder: str


def scan_cohort(
    folder: Path, *, subjects: int, spacing: float, seed: int, execution: ExecutionConfig
) -> None:
    """Write images, lesion and brain masks, and the two cohort tables, into ``folder``.

    The first ``TRAINING_SHARE`` of each site is for training. Sites take turns and groups alternate
    within a site, so both parts hold both groups in like numbers.
    """
    make_writable(folder / "images")
    config = HeadPhantomConfig(
        subjects=subjects, scanners=SCANNERS, reference=REFERENCE, spacing=spacing
    )
    works = [ContrastWork(config, seed, index, str(folder)) for index in range(subjects)]
    rows: dict[str, dict[str, str]] = {}
    items = [(str(work.index), work) for work in works]
    for outcome in map_cases(scan_contrast_case, items, execution):
        if isinstance(outcome, Failed):
            raise HarmonizeError(f"phantom head {outcome.id}: {outcome.message}")
        rows[outcome.id] = outcome.value
    frame = pd.DataFrame([rows[key] for key, _ in items], dtype=object)
    training = round(subjects * TRAINING_SHARE)
    frame[SPLIT] = [TRAIN if index < training else TEST for index in range(subjects)]
    for scanner, name in COHORTS.items():
        other = ONE_SCANNER if scanner == AT_SITE else AT_SITE
        own = frame.drop(columns=[_column(contrast, other) for contrast in CONTRASTS])
        renamed = {_column(contrast, scanner): f"Image_{contrast}" for contrast in CONTRASTS}
        write_text_table(own.rename(columns=renamed), folder / name)


def scan_contrast_case(work: ContrastWork) -> dict[str, str]:
    """Scan one head at its site and on the reference scanner, and return its row."""
    person = simulate_head(work.config, work.seed, work.index)
    head, folder = person.head, Path(work.folder)
    scanners = {scanner.name: scanner for scanner in work.config.scanners}
    row = {"id": person.id, **person.covariates}
    for place, (kind, name) in enumerate(((AT_SITE, person.site), (ONE_SCANNER, REFERENCE))):
        stream = np.random.SeedSequence(work.seed, spawn_key=(work.index, SCANS + place))
        scans = scan_contrasts(head, scanners[name], np.random.default_rng(stream))
        for contrast, volume in scans.items():
            path = f"images/{person.id}_{contrast}_{kind}.nii.gz"
            # Whole numbers of 16 bits, as scanners store them.
            write_image(volume.with_array(np.rint(volume.array).astype(np.int16)), folder / path)
            row[_column(contrast, kind)] = path
    for column, inside in (("Mask", head.mask == LESION_LABEL), ("Brain_mask", brain_mask(head))):
        row[column] = f"images/{person.id}_{column.lower()}.nii.gz"
        flags = inside.astype(np.uint8)
        write_mask(Volume(flags, head.geometry, flags), folder / row[column])
    return row


def _column(contrast: str, kind: str) -> str:
    return f"{contrast} {kind}"
