"""The comparison: every candidate through the same metrics, on the same cases and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from harmonize_kit.compare.about import describe, describe_site
from harmonize_kit.compare.association import Association
from harmonize_kit.compare.biology_scores import biology_scores, find_associations
from harmonize_kit.compare.biology_target import (
    KeptBiology,
    biology_target,
    describe_curves,
    kept_biology,
    true_values,
)
from harmonize_kit.compare.candidates import Candidate, Judged, covariate_source, gather
from harmonize_kit.compare.control_scores import control_scores
from harmonize_kit.compare.embedding import SharedAxes, shared_axes
from harmonize_kit.compare.folds import CrossValidation, cross_validation
from harmonize_kit.compare.leak import leak_warnings
from harmonize_kit.compare.over_harmonization import over_harmonization
from harmonize_kit.compare.panel import Panel
from harmonize_kit.compare.plane import describe_plane
from harmonize_kit.compare.site_findings import SiteFindings, find_site
from harmonize_kit.compare.site_scores import site_scores
from harmonize_kit.compare.study import Study, lone_levels, read_study
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.core.table import FeatureTable


def compare(
    candidates: Mapping[str, Judged],
    *,
    site: str,
    biology: Sequence[str] = (),
    outcome: str | None = None,
    subject: str | None = None,
    table: FeatureTable | None = None,
    truth: FeatureTable | None = None,
    config: CompareConfig | None = None,
) -> Scorecard:
    """Judge how much of the site each candidate leaves, and how much biology it keeps.

    A table is judged as it is. A harmonizer is judged in two ways: its per-feature statistics and
    picture come from its fit to the whole ``table``, as a user would publish it, while site
    classification and prediction refit it on the training cases of each fold. A table that was
    harmonized beforehand saw all cases, so held-out cases of it are not truly held out; pass the
    harmonizer where there is one.

    Neither family of scores is to be read alone: destroying a table removes the site too.

    Parameters
    ----------
    candidates : mapping of str to FeatureTable, Harmonizer, or pair of both
        By name, the same cases in any order. The first gives the axes of the embeddings. A pair
        ``(features, harmonizer)`` is the harmonizer refitted on a table of its own, such as that of
        translated images; sites and covariates are those of ``table``.
    site : str
        Column that names the site.
    biology : sequence of str
        Columns whose relation to the features is to be kept; the covariates of every site score.
    outcome : str, optional
        Column to be predicted, which is no covariate unless it is also named as biology.
    subject : str, optional
        Column that names the subject, where subjects have several cases.
    table : FeatureTable, optional
        Raw features, required beside a harmonizer. Covariates are read from it, or from the first
        table among the candidates.
    truth : FeatureTable, optional
        The same cases and features without any site effect, where they are known: simulated, or
        all measured on one scanner. Effects are then also held against those it shows.
    config : CompareConfig, optional
        Folds, draws and seed. All draws follow from the seed.

    Returns
    -------
    Scorecard
        What could not be estimated is absent, and ``about["warnings"]`` says why.

    Raises
    ------
    TableError
        If candidates differ in their cases, share no usable feature, a harmonizer comes
        without ``table``, or ``truth`` lacks a case or feature.
    CovariateError
        If a named column is absent, holds missing cells, or does not vary.
    DesignError
        If there is one site, site and biology cannot be told apart, or cases are too few.

    Examples
    --------
    >>> scorecard = compare(
    ...     {"raw": table, "combat": harmonized}, site="site", biology=["age", "sex"]
    ... )  # doctest: +SKIP
    >>> scorecard.find("combat", "site_balanced_accuracy_linear").value  # doctest: +SKIP
    """
    settings = config or CompareConfig()
    source = covariate_source(candidates, table)
    study = read_study(
        source, site, [biology] if isinstance(biology, str) else biology, outcome, subject
    )
    gathered = gather(candidates, source, study.ids)
    held_out = _split(study, settings)
    panel = Panel.draw(study, held_out, settings)
    axes = shared_axes(gathered.members[0].whole)
    case_order = _ids_of(candidates, source)
    true = None if truth is None else true_values(truth, study.ids, gathered.names)
    target = biology_target(gathered.members[0], panel, true)
    kept: dict[str, KeptBiology] = {}
    site_found: dict[str, SiteFindings] = {}
    scores: list[Score] = []
    warnings: list[str] = []
    features: dict[str, pd.DataFrame] = {}
    embeddings: dict[str, pd.DataFrame] = {}
    for candidate in gathered.members:
        hint = lone_levels(study, held_out)
        refits = candidate.by_fold(held_out, study.ids, gathered.names, hint)
        site_found[candidate.name] = findings = find_site(candidate, panel)
        found = find_associations(candidate, panel)
        scores += site_scores(candidate, panel, findings, refits)
        kept[candidate.name] = kept_biology(candidate, target, panel)
        scores += biology_scores(
            candidate, panel, found, refits, target, kept[candidate.name], gathered.names
        )
        controls, failed = control_scores(candidate, panel, gathered.names, findings.effect)
        scores, warnings = scores + controls, warnings + failed
        statistics = _statistics(findings, found, gathered.names)
        features[candidate.name] = statistics.loc[list(gathered.order)]
        embeddings[candidate.name] = _embedding(candidate, study, axes).loc[case_order]
    about = describe(study, gathered, held_out, axes.explained, settings)
    about["curves"] = describe_curves(target, kept)
    about["warnings"] += [*over_harmonization(scores), *leak_warnings(scores), *warnings]
    about |= describe_site(site_found) | {"plane": describe_plane(scores)}
    return Scorecard(tuple(scores), features, embeddings, about)


def _split(study: Study, config: CompareConfig) -> CrossValidation | None:
    levels = [covariate.values.astype(np.intp) for covariate in study.levelled]
    return cross_validation(study.site, study.subject, config.folds, config.seed, levels)


def _ids_of(candidates: Mapping[str, Judged], source: FeatureTable) -> list[str]:
    """Return the ids in the order in which embeddings show them: that of the first candidate."""
    first = next(iter(candidates.values()))
    return first.ids if isinstance(first, FeatureTable) else source.ids


def _statistics(
    findings: SiteFindings, biology: Sequence[Association], names: Sequence[str]
) -> pd.DataFrame:
    """Return the statistics of each feature, one row a feature."""
    site = findings.effect.features
    columns = {"partial_eta_squared": site.share, "p": site.p, "q": site.q, **findings.features}
    for association in biology:
        name = association.covariate.name
        columns[f"{name}_effect"] = association.effect
        columns[f"{name}_p"] = association.features.p
        columns[f"{name}_q"] = association.features.q
    return pd.DataFrame(columns, index=pd.Index(list(names), name="feature"))


def _embedding(candidate: Candidate, study: Study, axes: SharedAxes) -> pd.DataFrame:
    """Return pc1, pc2 and site by case id."""
    coordinates = axes.project(candidate.whole)
    index = pd.Index(list(study.ids), name="id")
    sites = [study.sites[int(code)] for code in study.site]
    return pd.DataFrame(coordinates, index=index, columns=["pc1", "pc2"]).assign(site=sites)
