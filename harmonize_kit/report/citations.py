"""Which works a comparison rests on, as far as its names, metrics and record tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.report.cohort import as_mapping
from harmonize_kit.report.frames import all_features
from harmonize_kit.report.works import BENJAMINI, NIETO, PYRADIOMICS, WORKS, Work


def citations(
    card: Scorecard, methods: Mapping[str, str], provenance: Mapping[str, Any]
) -> list[Work]:
    """Return the works to cite, in the order of the list."""
    told = [*card.candidates, *methods.keys(), *methods.values(), str(dict(provenance))]
    told += [str(as_mapping(card.about.get("candidates"))), *all_features(card.features)]
    text = " ".join(told).lower()
    measured = {score.metric for score in card} | {
        str(column) for frame in card.features.values() for column in frame.columns
    }
    said = [*(score.note for score in card), *methods.values()]
    special = {
        PYRADIOMICS: _by_pyradiomics(card, provenance),
        NIETO: any("Nieto et al. 2024" in words for words in said),
        BENJAMINI: True,
    }
    return [
        work
        for work in WORKS
        if special.get(work, False)
        or any(word in text for word in work.words)
        or any(called_for(work, name) for name in measured)
    ]


def bibliography(works: list[Work]) -> str:
    """Return the works as the text of a BibTeX file."""
    return "\n\n".join(work.bibtex for work in works) + "\n"


def called_for(work: Work, metric: str) -> bool:
    """Say whether a metric rests on a work: its name holds the work's word for it."""
    return any(re.search(rf"(?:^|_)i?{part}", metric) for part in work.metrics)


_PYRADIOMICS_NAME = re.compile(
    r"(?:^|[^a-z0-9])(?:original|log-sigma|wavelet|square|squareroot|logarithm|exponential|gradient"
    r"|lbp-[23]d)[^_]*_(?:firstorder|shape|shape2d|glcm|glrlm|glszm|gldm|ngtdm)_",
    re.IGNORECASE,
)


def _by_pyradiomics(card: Scorecard, provenance: Mapping[str, Any]) -> bool:
    """Say whether features bear PyRadiomics' names, or the record says they were extracted.

    That PyRadiomics is installed, as the versions of a record tell, says nothing of the features.
    """
    named = any(_PYRADIOMICS_NAME.search(name) for name in all_features(card.features))
    return named or _extracted(provenance)


def _extracted(record: Any) -> bool:
    if isinstance(record, Mapping):
        entries = cast(Mapping[Any, Any], record)
        if "extract" in str(entries.get("command", "")).split():
            return True
        return any(_extracted(item) for item in entries.values())
    return isinstance(record, list) and any(_extracted(item) for item in cast(list[Any], record))
