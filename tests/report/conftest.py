"""Synthetic scorecards: what a comparison would hand over, without making one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonize_kit.core.scorecard import Null, Score, Scorecard

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><script>alert(3)</script>",
    "{{7*7}}{% for x in y %}",
    "line\nbreak\ttab",
    "right\u202eto left",
    "nul\x00bell\x07",
    "]]><!-- $x_{1}^2$ &amp; </svg></title>",
)
_FAMILIES = ("firstorder_Mean", "glcm_Contrast", "shape_Volume", "glrlm_RunEntropy")


def build_scorecard(
    candidates: Sequence[str] = ("raw", "combat"),
    sites: Sequence[str] = ("Basel", "Lyon", "Porto", "Graz"),
    covariates: Sequence[str] = ("age", "sex"),
    n_cases: int = 120,
    n_features: int = 24,
    features: Sequence[str] | None = None,
    left: Sequence[float] | None = None,
) -> Scorecard:
    """Return a scorecard; ``left`` is the share of the site effect each candidate leaves."""
    rng = np.random.default_rng(20)
    names = list(features or (_feature(place) for place in range(n_features)))
    site = [sites[place % len(sites)] for place in range(n_cases)]
    ids = [f"case-{place:04d}" for place in range(n_cases)]
    shares = list(left or [1.0, *(0.05 + 0.1 * k for k in range(len(candidates) - 1))])
    base = rng.beta(1.3, 3.5, len(names))  # (n_features,)
    effects = {name: rng.normal(0.15, 0.2, len(names)) for name in covariates}
    offsets = rng.normal(0, 1.6, (len(sites), 2))
    scatter = rng.normal(0, 1, (n_cases, 2))
    scores: list[Score] = []
    tables: dict[str, pd.DataFrame] = {}
    embeddings: dict[str, pd.DataFrame] = {}
    for name, share in zip(candidates, shares, strict=False):
        eta = np.clip(base * share + rng.normal(0.004, 0.003, len(names)), 0, 1)
        scores += _site_scores(name, share, float(np.median(eta)), len(sites))
        frame = pd.DataFrame({"partial_eta_squared": eta, "p": eta * 0.1}, index=names)
        frame["q"] = np.where(eta > 0.05, 0.001, 0.4)
        for covariate in covariates:
            slope = effects[covariate] * (0.95 if share < 1 else 1) + rng.normal(
                0, 0.02, len(names)
            )
            frame[f"{covariate}_effect"] = slope
            frame[f"{covariate}_p"] = 0.01
            frame[f"{covariate}_q"] = np.where(np.abs(slope) > 0.2, 0.01, 0.3)
            scores += _biology_scores(name, covariate, share)
        tables[name] = frame
        points = scatter + share * offsets[[sites.index(s) for s in site]]
        embeddings[name] = pd.DataFrame(
            {"pc1": points[:, 0], "pc2": points[:, 1], "site": site}, index=ids
        )
    about = _about(candidates, sites, site, covariates, n_cases, len(names))
    return Scorecard(tuple(scores), tables, embeddings, about)


def _feature(place: int) -> str:
    wavelet = place // len(_FAMILIES)
    return f"{'original' if not wavelet else f'wavelet{wavelet}'}_{_FAMILIES[place % 4]}"


def _site_scores(name: str, share: float, eta: float, n: int) -> list[Score]:
    chance = 1 / n
    null = Null(chance, chance * 0.8, chance * 1.25, 0.001 if share > 0.1 else 0.4)
    linear = chance + (0.85 - chance) * (share if share > 0.1 else 0.01)
    forest = chance + (0.9 - chance) * (share if share > 0.1 else 0.03)
    eta_null = Null(0.012, 0.008, 0.017, 0.001 if share > 0.1 else 0.6)
    note = "Random forest with 200 trees; conservative below 20 cases a site."
    return [
        Score(
            name,
            "site",
            "site_partial_eta_squared_median",
            "site",
            eta,
            False,
            (eta * 0.85, eta * 1.2),
            eta_null,
        ),
        Score(name, "site", "site_significant_fraction", "site", min(1.0, 4 * eta), False),
        Score(
            name,
            "site",
            "site_balanced_accuracy_linear",
            "site",
            linear,
            False,
            (linear - 0.04, linear + 0.04),
            null,
        ),
        Score(
            name,
            "site",
            "site_balanced_accuracy_nonlinear",
            "site",
            forest,
            False,
            (forest - 0.04, forest + 0.05),
            null,
            note,
        ),
    ]


def _biology_scores(name: str, covariate: str, share: float) -> list[Score]:
    shared = [
        Score(name, "biology", "association_median", covariate, 0.14, True, (0.11, 0.17)),
        Score(name, "biology", "association_significant_fraction", covariate, 0.42, True),
    ]
    gain = 0.02 * (1 - share)
    if covariate == "sex":
        auc = 0.71 + gain
        null = Null(0.5, 0.44, 0.56, 0.001)
        return [
            *shared,
            Score(name, "biology", "auc", covariate, auc, True, (auc - 0.05, auc + 0.05), null),
        ]
    r2 = 0.38 + gain
    null = Null(-0.05, -0.12, 0.01, 0.001)
    return [
        *shared,
        Score(name, "biology", "r2", covariate, r2, True, (r2 - 0.06, r2 + 0.06), null),
        Score(name, "biology", "mae", covariate, 8.4 - gain, False, (7.9, 9.0)),
    ]


def _about(
    candidates: Sequence[str],
    sites: Sequence[str],
    site: Sequence[str],
    covariates: Sequence[str],
    n_cases: int,
    n_features: int,
) -> dict[str, Any]:
    biology = [
        {"name": name, "kind": "categorical", "levels": ["F", "M"]}
        if name == "sex"
        else {"name": name, "kind": "continuous", "range": [18.2, 88.0]}
        for name in covariates
    ]
    return {
        "site": "site",
        "biology": biology,
        "outcome": None,
        "subject": "subject",
        "sites": {name: site.count(name) for name in sites},
        "n_cases": n_cases,
        "n_features": n_features,
        "left_out_features": {"original_shape_Dead": "constant in every site"},
        "left_out_sites": {},
        "folds": 5,
        "permutations": 999,
        "bootstraps": 1000,
        "seed": 7,
        "candidates": {name: "table" for name in candidates},
        "explained_variance": [0.34, 0.12],
        "warnings": ["Age and site go together (R² 0.31): part of either may be the other."],
    }


@pytest.fixture(scope="session")
def make_scorecard() -> Callable[..., Scorecard]:
    return build_scorecard


@pytest.fixture(scope="session")
def hostile() -> tuple[str, ...]:
    return HOSTILE
