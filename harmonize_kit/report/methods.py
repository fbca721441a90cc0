"""The methods text: what was done in this comparison, in sentences a paper can take over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.report.cohort import as_mapping
from harmonize_kit.report.frames import all_features
from harmonize_kit.report.text import counted, listed, shown


@dataclass(frozen=True)
class Citation:
    """A work to cite, the words that call for it, and where in a text it is called short."""

    short: str
    full: str
    words: tuple[str, ...]


COMBAT = Citation(
    "Johnson 2007",
    "Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data using "
    "empirical Bayes methods. Biostatistics 2007; 8:118-127.",
    ("combat", "covbat"),
)
PYRADIOMICS = Citation(
    "van Griethuysen 2017",
    "van Griethuysen JJM et al. Computational radiomics system to decode the radiographic "
    "phenotype. Cancer Research 2017; 77:e104-e107.",
    (),
)
NIETO = Citation(
    "Nieto 2024",
    "Nieto N et al. Impact of leakage on data harmonization in machine learning pipelines in "
    "class imbalance across sites. arXiv:2410.19643, 2024.",
    (),
)
CITATIONS = (
    COMBAT,
    Citation(
        "Fortin 2017",
        "Fortin JP et al. Harmonization of multi-site diffusion tensor imaging data. NeuroImage "
        "2017; 161:149-170.",
        COMBAT.words,
    ),
    Citation(
        "Fortin 2018",
        "Fortin JP et al. Harmonization of cortical thickness measurements across scanners and "
        "sites. NeuroImage 2018; 167:104-120.",
        COMBAT.words,
    ),
    Citation(
        "Pomponio 2020",
        "Pomponio R et al. Harmonization of large MRI datasets for the analysis of brain imaging "
        "patterns throughout the lifespan. NeuroImage 2020; 208:116450.",
        ("gam", "neuroharmonize"),
    ),
    Citation(
        "Beer 2020",
        "Beer JC et al. Longitudinal ComBat: a method for harmonizing longitudinal multi-scanner "
        "imaging data. NeuroImage 2020; 220:117129.",
        ("longitudinal",),
    ),
    Citation(
        "Chen 2022",
        "Chen AA et al. Mitigating site effects in covariance for machine learning in "
        "neuroimaging data. Human Brain Mapping 2022; 43:1179-1195.",
        ("covbat",),
    ),
    Citation(
        "Horng 2022",
        "Horng H et al. Generalized ComBat harmonization methods for radiomic features with "
        "multi-modal distributions and multiple batch effects. Scientific Reports 2022; 12:4493.",
        ("nested",),
    ),
    Citation(
        "Zhu 2017",
        "Zhu JY, Park T, Isola P, Efros AA. Unpaired image-to-image translation using "
        "cycle-consistent adversarial networks. IEEE International Conference on Computer Vision "
        "2017; 2242-2251.",
        ("cyclegan",),
    ),
    PYRADIOMICS,
    NIETO,
    Citation(
        "Benjamini 1995",
        "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and powerful "
        "approach to multiple testing. Journal of the Royal Statistical Society B 1995; "
        "57:289-300.",
        (),
    ),
)


def citations(
    card: Scorecard, methods: Mapping[str, str], provenance: Mapping[str, Any]
) -> list[Citation]:
    """Return the works this comparison rests on, as far as its names and record tell."""
    told = [*card.candidates, *methods.keys(), *methods.values(), str(dict(provenance))]
    told += [str(as_mapping(card.about.get("candidates"))), *all_features(card.features)]
    text = " ".join(told).lower()
    said = [*(score.note for score in card), *methods.values()]
    special = {
        PYRADIOMICS: _by_pyradiomics(card, provenance),
        NIETO: any("Nieto et al. 2024" in words for words in said),
    }
    return [
        work
        for work in CITATIONS
        if special.get(work, not work.words or any(word in text for word in work.words))
    ]


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


def methods_text(card: Scorecard, methods: Mapping[str, str]) -> list[str]:
    """Return the paragraphs, made of what the comparison says of itself and of nothing else."""
    about = card.about
    paragraphs = [_data(about, card), _made(methods), _site(about, card), _biology(about, card)]
    paragraphs.append(_uncertainty(about))
    return [paragraph for paragraph in paragraphs if paragraph]


def _data(about: Mapping[str, Any], card: Scorecard) -> str:
    sites = as_mapping(about.get("sites"))
    parts: list[str] = []
    if isinstance(about.get("n_features"), int):
        parts.append(counted(about["n_features"], "feature"))
    if isinstance(about.get("n_cases"), int):
        parts.append(f"of {counted(about['n_cases'], 'case')}")
    if sites:
        parts.append(f"from {counted(len(sites), 'site')} (column {shown(about.get('site'))})")
    names = listed([shown(name) for name in card.candidates])
    text = f"{' '.join(parts)} were compared as {names}." if parts else f"Compared were {names}."
    left_out = as_mapping(about.get("left_out_features"))
    if left_out:
        text += f" {counted(len(left_out), 'feature')} were left out for the reasons given."
    return text.replace(" 1 feature were", " 1 feature was")


def _made(methods: Mapping[str, str]) -> str:
    return " ".join(f"{shown(name)}: {shown(text).rstrip('.')}." for name, text in methods.items())


def _site(about: Mapping[str, Any], card: Scorecard) -> str:
    text = ""
    if _has(card, "site_partial_eta_squared_median"):
        covariates = _covariates(about)
        given = f" with {covariates} in the model" if covariates else ""
        text = (
            f"The site effect of each feature was measured as partial η² of site{given}; the false "
            "discovery rate over features was controlled at 0.05 (Benjamini 1995)."
        )
    if any(score.metric.startswith("site_balanced_accuracy") for score in card):
        text += (
            " How well site can be told from all features together was measured as the balanced "
            f"accuracy of classifiers in held-out cases{_folds(about)}."
        )
    return text.strip()


def _biology(about: Mapping[str, Any], card: Scorecard) -> str:
    targets = list(dict.fromkeys(score.target for score in card if score.family == "biology"))
    if not targets:
        return ""
    names = listed([shown(target) for target in targets])
    text = f"Biology was judged on {names}"
    if _has(card, "association_median"):
        text += ", by the association with each feature at constant site"
    if any(_has(card, metric) for metric in ("r2", "auc", "mae")):
        joint = " and" if _has(card, "association_median") else ","
        text += f"{joint} by prediction from all features in held-out cases{_folds(about)}"
    return f"{text}."


def _uncertainty(about: Mapping[str, Any]) -> str:
    parts: list[str] = []
    if about.get("bootstraps"):
        parts.append(f"95 % intervals are over {shown(about['bootstraps'])} bootstrap samples")
        parts[-1] += " of subjects" if about.get("subject") else ""
    if about.get("permutations"):
        parts.append(f"nulls over {shown(about['permutations'])} permutations")
    if about.get("seed") is not None:
        parts.append(f"the random seed is {shown(about['seed'])}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _folds(about: Mapping[str, Any]) -> str:
    if not about.get("folds"):
        return ""
    together = ", all cases of a subject in one fold" if about.get("subject") else ""
    return f" ({shown(about['folds'])}-fold cross-validation{together})"


def _covariates(about: Mapping[str, Any]) -> str:
    names = [
        str(entry.get("name", "")) if isinstance(entry, Mapping) else str(entry)  # pyright: ignore
        for entry in about.get("biology") or ()
    ]
    return listed([shown(name) for name in names if name])


def _has(card: Scorecard, metric: str) -> bool:
    return any(score.metric == metric for score in card)
