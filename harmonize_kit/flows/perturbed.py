"""One case measured as it is, and under each perturbation."""

from __future__ import annotations

from typing import Any

import numpy as np

from harmonize_kit.config.robustness import RobustnessConfig
from harmonize_kit.core.cohort import Case
from harmonize_kit.core.digest import digest_value
from harmonize_kit.errors import CaseError
from harmonize_kit.features import FeatureExtractor
from harmonize_kit.features.perturbation import perturb, perturbations
from harmonize_kit.features.surroundings import needed_margin
from harmonize_kit.flows.case_volumes import plain_values, volumes_of

UNPERTURBED = "unperturbed"


def measure_perturbed(
    case: Case, extractor: FeatureExtractor, config: RobustnessConfig
) -> list[dict[str, Any]]:
    """Return the features of each region, unperturbed and under each perturbation.

    Returns
    -------
    list of dict
        One a label: ``label``; ``measurements``, values by feature for each perturbation by name;
        ``failed``, the reason by name where a perturbation left nothing to measure; ``notes``.

    Raises
    ------
    CaseError
        If the case cannot be measured as it is.
    """
    regions: dict[int, dict[str, Any]] = {}
    for prefix, volume, mask_notes, image_notes in volumes_of(case, extractor):
        margin = needed_margin(extractor.config, volume.geometry.spacing)
        for label in extractor.labels(volume, case.labels):
            new: dict[str, Any] = {
                "label": label, "measurements": {}, "failed": {}, "notes": list(mask_notes),
            }  # fmt: skip
            region = regions.setdefault(label, new)
            measured = region["measurements"]
            found = extractor.extract(volume, label)
            measured.setdefault(UNPERTURBED, {}).update(plain_values(found.values, prefix))
            region["notes"] += [f"{prefix}{note}" for note in (*image_notes, *found.notes)]
            for perturbation in perturbations(config):
                rng = _generator(config.seed, case.id, label, perturbation.name)
                try:
                    changed = perturb(volume, label, perturbation, rng, margin)
                    values = extractor.extract(changed, label).values
                except CaseError as error:
                    region["failed"][perturbation.name] = f"{prefix}{error.code}: {error.message}"
                    continue
                measured.setdefault(perturbation.name, {}).update(plain_values(values, prefix))
    return list(regions.values())


def _generator(seed: int, *names: object) -> np.random.Generator:
    """Return a generator of its own for each draw, so that no order of cases changes any."""
    return np.random.default_rng([seed, int(digest_value(list(names))[:16], 16)])
