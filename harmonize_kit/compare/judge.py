"""The comparison: every candidate through the same metrics, on the same cases and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from harmonize_kit.compare.about import describe
from harmonize_kit.compare.association import Association
from harmonize_kit.compare.biology_scores import biology_scores, find_associations
from harmonize_kit.compare.candidates import Candidate, covariate_source, gather
from harmonize_kit.compare.embedding import SharedAxes, shared_axes
from harmonize_kit.compare.folds import cross_validation
from harmonize_kit.compare.linear_model import PartialEffect
from harmonize_kit.compare.panel import Panel
from harmonize_kit.compare.site_scores import find_site_effect, site_scores
from harmonize_kit.compare.study import Study, read_study
from harmonize_kit.config.compare import CompareConfig
from harmonize_kit.core.harmonizer import Harmonizer
from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.core.table import FeatureTable


def compare(
    candidates: Mapping[str, FeatureTable | Harmonizer],
    *,
    site: str,
    biology: Sequence[str] = (),
    outcome: str | None = None,
    subject: str | None = None,
    table: FeatureTable | None = None,
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
    candidates : mapping of str to FeatureTable or Harmonizer
        By name, the same cases in any order. The first gives the axes of the embeddings.
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
    config : CompareConfig, optional
        Folds, draws and seed. All draws follow from the seed.

    Returns
    -------
    Scorecard
        What could not be estimated is absent, and ``about["warnings"]`` says why.

    Raises
    ------
    TableError
        If candidates differ in their cases, share no usable feature, or a harmonizer comes
        without ``table``.
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
    held_out = cross_validation(study.site, study.subject, settings.folds, settings.seed)
    panel = Panel.draw(study, held_out, settings)
    axes = shared_axes(gathered.members[0].whole)
    case_order = _ids_of(candidates, source)
    scores: list[Score] = []
    features: dict[str, pd.DataFrame] = {}
    embeddings: dict[str, pd.DataFrame] = {}
    for candidate in gathered.members:
        refits = [] if held_out is None else candidate.by_fold(held_out, study.ids, gathered.names)
        effect = find_site_effect(candidate, panel)
        found = find_associations(candidate, panel)
        scores += site_scores(candidate, panel, effect, refits)
        scores += biology_scores(candidate, panel, found, refits)
        statistics = _statistics(effect.features, found, gathered.names)
        features[candidate.name] = statistics.loc[list(gathered.order)]
        embeddings[candidate.name] = _embedding(candidate, study, axes).loc[case_order]
    about = describe(study, gathered, held_out, axes.explained, settings)
    return Scorecard(tuple(scores), features, embeddings, about)


def _ids_of(candidates: Mapping[str, FeatureTable | Harmonizer], source: FeatureTable) -> list[str]:
    """Return the ids in the order in which embeddings show them: that of the first candidate."""
    first = next(iter(candidates.values()))
    return first.ids if isinstance(first, FeatureTable) else source.ids


def _statistics(
    site: PartialEffect, biology: Sequence[Association], names: Sequence[str]
) -> pd.DataFrame:
    """Return the statistics of each feature, one row a feature."""
    columns = {"partial_eta_squared": site.share, "p": site.p, "q": site.q}
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
