"""What networks take over from the slices before the first step."""

from __future__ import annotations

import logging

from harmonize_kit.translation.blur_and_noise import measure
from harmonize_kit.translation.cyclegan import CycleGAN
from harmonize_kit.translation.intensity_range import fit_ranges
from harmonize_kit.translation.processes import place
from harmonize_kit.translation.store import SliceStore

# So much of a spectrum is more than chance and a few heads leave unexplained.
MISFIT = 0.1
logger = logging.getLogger(__name__)


def fit_parts(networks: CycleGAN, store: SliceStore) -> None:
    """Fit the ranges of heads that paint anew, and the blur and noise of ways back to a site.

    Raises
    ------
    ConfigError
        If blur and noise are to be measured and heads are too small for it.
    """
    fit_ranges(networks, store)
    if networks.generator_config.degradation == "none":
        return
    for site, found in measure(store, networks.reference, networks.others).items():
        degradation = networks.degradation_of(site)
        if degradation is not None:
            degradation.fit(found)
        # Of several processes one speaks for all.
        for number, one in enumerate(found if place()[0] == 0 else (), start=1):
            logger.log(
                logging.INFO if one.misfit < MISFIT else logging.WARNING,
                "%s beside %s, modality %d: a blur of %.2f voxels, noise of %.3f; %.1f %% of the "
                "spectrum is not explained by both",
                site, networks.reference, number, one.blur, one.noise, 100 * one.misfit,
            )  # fmt: skip
