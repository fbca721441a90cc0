"""The methods text: what was done in this comparison, in sentences a paper can take over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harmonize_kit.core.scorecard import Scorecard
from harmonize_kit.report.citations import called_for
from harmonize_kit.report.cohort import as_mapping
from harmonize_kit.report.metrics import METRICS
from harmonize_kit.report.text import counted, listed, shown
from harmonize_kit.report.works import WORKS


def methods_text(card: Scorecard, methods: Mapping[str, str]) -> list[str]:
    """Return the paragraphs, made of what the comparison says of itself and of nothing else."""
    about = card.about
    paragraphs = [_data(about, card), _made(methods), _site(about, card), _biology(about, card)]
    paragraphs += [_further(card), _uncertainty(about)]
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


def _further(card: Scorecard) -> str:
    """Name the measures beyond those the other paragraphs describe, each with its work."""
    measured = dict.fromkeys(score.metric for score in card if score.metric in METRICS)
    named: dict[str, list[str]] = {}
    for metric in measured:
        known = METRICS[metric]
        if known.topic in _FURTHER and metric not in _DESCRIBED:
            works = [work.short for work in WORKS if called_for(work, metric)]
            cited = f" ({', '.join(works)})" if works else ""
            named.setdefault(known.topic, []).append(f"{known.label}{cited}")
    return " ".join(f"{_FURTHER[topic]}: {listed(found)}." for topic, found in named.items())


_DESCRIBED = {"site_partial_eta_squared_median", "site_significant_fraction"}
_FURTHER = {
    "site_by_feature": "Differences between sites in single features were also measured",
    "site_distance": "The distance between sites over all features was measured",
    "site_mixing": "How well the cases of different sites mix was measured",
    "agreement": "How far effects of biology are those found inside sites was measured",
    "transfer": "Transfer to a site that was not trained on was measured",
    "reliability": "Agreement of repeated measurements was measured",
    "control": "As negative controls, sites were exchanged between subjects and effects were "
    "planted; this was measured",
}


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
