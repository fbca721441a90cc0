"""What all candidates are judged with: the cases, the settings, and one set of draws."""

from __future__ import annotations

from dataclasses import dataclass

from harmonize_kit.compare.arrays import Floats, Ints
from harmonize_kit.compare.folds import CrossValidation
from harmonize_kit.compare.resampling import (
    bootstrap_weights,
    permutations_within_site,
    site_permutations,
)
from harmonize_kit.compare.samples import Sample, large_sites, sample_of, thinned
from harmonize_kit.compare.study import Study
from harmonize_kit.config.compare import CompareConfig


@dataclass(frozen=True)
class HeldOut:
    """Cross-validated cases and their draws; positions count among these cases.

    Parameters
    ----------
    split : CrossValidation
    site : ndarray of int, shape (m,)
    weights : ndarray, shape (b, m)
        Bootstrap counts.
    across_sites, within_sites : ndarray of int, shape (b, m)
        Permutations that break the tie of features to site, and to biology.
    """

    split: CrossValidation
    site: Ints
    weights: Floats
    across_sites: Ints
    within_sites: Ints


@dataclass(frozen=True)
class Panel:
    """Cases, settings and draws, shared so that candidates differ by themselves alone.

    Parameters
    ----------
    study : Study
    config : CompareConfig
    weights : ndarray, shape (b, n)
        Bootstrap counts of all cases.
    permutations : ndarray of int, shape (b, n)
        Permutations across sites of all cases.
    held_out : HeldOut, optional
        None where too few sites are large enough for cross-validation.
    large : Sample, optional
        Cases of sites with enough of them to speak of variance; None where there are no two.
    near : Sample, optional
        As many of those as distances between all pairs are affordable for.
    """

    study: Study
    config: CompareConfig
    weights: Floats
    permutations: Ints
    held_out: HeldOut | None
    large: Sample | None
    near: Sample | None

    @classmethod
    def draw(cls, study: Study, split: CrossValidation | None, config: CompareConfig) -> Panel:
        """Make all draws; each kind has its own stream of the seed."""
        count, seed = config.permutations, config.seed
        weights = bootstrap_weights(study.site, study.subject, config.bootstraps, seed)
        permutations = site_permutations(study.site, study.subject, count, seed)
        rows = large_sites(study)
        large = sample_of(study, rows, count, config.bootstraps, seed)
        rows = thinned(study, rows, config.distance_cases, seed)
        near = sample_of(study, rows, count, config.bootstraps, seed)
        if split is None:
            return cls(study, config, weights, permutations, None, large, near)
        site, subject = study.site[split.rows], study.subject[split.rows]
        held_out = HeldOut(
            split,
            site,
            weights[:, split.rows],
            site_permutations(site, subject, count, seed),
            permutations_within_site(site, subject, count, seed),
        )
        return cls(study, config, weights, permutations, held_out, large, near)
