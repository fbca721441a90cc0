"""Several contrasts of one head on one scanner, by the choice of flip angle and echo time."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.config.phantom import ScannerConfig
from harmonize_kit.core.volume import Volume
from harmonize_kit.phantom.head import Head
from harmonize_kit.phantom.scanner import scan

# A flip angle far below the Ernst angle leaves the longitudinal magnetisation nearly whole, so that
# T1 hardly shows and proton density does (Ernst & Anderson 1966); ``t1`` is the protocol itself.
CONTRASTS = MappingProxyType[str, dict[str, Any]]({"t1": {}, "pd": {"flip_deg": 4.0}})


def scan_contrasts(
    head: Head, scanner: ScannerConfig, rng: np.random.Generator
) -> dict[str, Volume]:
    """Scan a head once for each contrast of :data:`CONTRASTS`, coil and sharpness unchanged.

    Parameters
    ----------
    head : Head
    scanner : ScannerConfig
        Its own protocol gives ``t1``.
    rng : Generator
        Noise and gain of these scans.

    Returns
    -------
    dict of str to Volume
        By contrast; all on the head's grid, as of a person who lay still.
    """
    return {
        name: scan(head, scanner.model_copy(update=protocol), rng)
        for name, protocol in CONTRASTS.items()
    }


def brain_mask(head: Head) -> NDArray[np.bool_]:
    """Return where more than half of a voxel is fluid, tissue or lesion, shape (z, y, x)."""
    return np.sum(list(head.fractions.values()), axis=0) > 0.5
