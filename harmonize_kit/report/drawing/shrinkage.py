"""Site effects of a model against the prior that shrinks them, site by site.

Empirical Bayes is only as good as its prior: locations of a site are taken as normal, scales as
inverse gamma (Johnson, Li and Rabinovic 2007, section 3.2), both with the moments of the site's
own estimates. Where the estimates lie otherwise, features are pulled towards the wrong place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harmonize_kit.report.drawing.keys import band_key, draw_legend, level_key, line_key
from harmonize_kit.report.drawing.marks import draw_density, draw_outline, draw_steps
from harmonize_kit.report.drawing.panels import new_small_panels
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import BLUE, styled
from harmonize_kit.report.material import Array, SiteEstimates
from harmonize_kit.report.tables import Cell, Table, text_cell
from harmonize_kit.report.text import fixed, shown

MAX_SITES = 24
_FEWEST = 5  # features, under which a density says nothing


@dataclass(frozen=True)
class _Part:
    """One of the two kinds of site effect, and the family of its prior."""

    key: str
    what: str
    axis: str


LOCATION = _Part("location", "Additive site effects", "additive effect in standard deviations")
SCALE = _Part("scale", "Multiplicative site effects", "variance ratio")


def draw_shrinkage(estimates: SiteEstimates, number: int) -> list[Picture]:
    """Return the pictures of a model, none where it shrinks nothing or has few features."""
    kept = (estimates.raw_scale > 0).all(axis=0) & np.isfinite(estimates.raw_location).all(axis=0)
    if not estimates.shrunken or kept.sum() < _FEWEST:
        return []
    parts = (
        (LOCATION, estimates.raw_location[:, kept], estimates.location[:, kept]),
        (SCALE, estimates.raw_scale[:, kept], estimates.scale[:, kept]),
    )
    found = (_draw(estimates, number, part, raw, after) for part, raw, after in parts)
    return [picture for picture in found if picture is not None]


def _draw(
    estimates: SiteEstimates, number: int, part: _Part, raw: Array, after: Array
) -> Picture | None:
    if np.allclose(raw, after):  # as where only means are corrected
        return None
    varying = np.flatnonzero(raw.std(axis=1) > 1e-9)  # a reference site has no effect
    distance = {int(site): _distance(part, raw[site]) for site in varying}
    worst = sorted(distance, key=lambda site: -distance[site])[:MAX_SITES]
    sites = [site for site in distance if site in worst]
    if not sites:
        return None
    low, high = np.percentile(raw[sites], (0.5, 99.5))
    margin = 0.08 * (high - low)
    ends = (float(low - margin) if part is LOCATION else 0.0, float(high + margin))
    grid = np.linspace(max(ends[0], 1e-3) if part is SCALE else ends[0], ends[1], 161)
    with styled():
        figure, panels = new_small_panels(len(sites), part.axis)
        for axes, site in zip(panels, sites, strict=True):
            axes.set_title(shown(estimates.sites[site], 14), loc="left")
            _panel(axes, part, raw[site], after[site], ends, grid)
        keys = [band_key("estimated"), line_key("after shrinkage", BLUE), level_key("prior")]
        draw_legend(figure, keys, 3)
    title = f"{part.what} of {shown(estimates.model)}, before and after shrinkage"
    return finish(
        figure, f"shrinkage_{number}_{part.key}", title, _caption(len(sites), len(varying)), {},
        _table(estimates, part, raw, after, distance),
    )  # fmt: skip


def _caption(drawn: int, total: int) -> str:
    text = (
        "Grey: the estimates of all features at one site. Dashed: the prior that was made of them. "
        "Blue: the estimates after shrinkage. Where grey does not follow the dashed line (two "
        "humps, a long tail) the prior does not fit, and a nonparametric prior is the safer choice."
    )
    return text if drawn == total else f"{text} Of {total} sites the {drawn} that fit worst."


def _panel(
    axes: Any, part: _Part, raw: Array, after: Array, ends: tuple[float, float], grid: Array
) -> None:
    bins = np.linspace(*ends, int(np.clip(np.sqrt(len(raw)) * 2, 8, 32)) + 1)
    heights = _heights(raw, bins)
    prior = _density(part, raw, grid)
    draw_density(axes, heights, bins)
    draw_outline(axes, grid, prior)
    axes.set_xlim(ends)
    top = max(float(heights.max()), float(prior.max())) * 1.15
    axes.set_ylim(0, top)
    shrunken = _heights(after, bins)
    # Shrunken estimates may crowd into one bin, whose height would flatten all else.
    draw_steps(axes, np.minimum(shrunken, top), bins, BLUE)


def _heights(values: Array, bins: Array) -> Array:
    counts, _ = np.histogram(values, bins)
    return counts / (len(values) * np.diff(bins))


def _prior(part: _Part, raw: Array) -> Any:
    mean, variance = float(raw.mean()), float(raw.var(ddof=1))
    if part is LOCATION:
        return stats.norm(mean, np.sqrt(variance))
    return stats.invgamma(
        (2 * variance + mean**2) / variance, scale=(mean * variance + mean**3) / variance
    )


def _density(part: _Part, raw: Array, grid: Array) -> NDArray[np.float64]:
    return np.asarray(_prior(part, raw).pdf(grid), dtype=np.float64)


def _distance(part: _Part, raw: Array) -> float:
    """Return the largest distance between the distribution of the estimates and the prior."""
    ordered = np.sort(raw)
    expected = np.asarray(_prior(part, ordered).cdf(ordered), dtype=np.float64)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max((expected - steps[:-1]).max(), (steps[1:] - expected).max()))


def _table(
    estimates: SiteEstimates, part: _Part, raw: Array, after: Array, distance: dict[int, float]
) -> Table:
    rows = tuple(
        (
            text_cell(estimates.sites[site]),
            Cell(f"{estimates.counts[site]:,}", sort=str(estimates.counts[site])),
            *(
                Cell(fixed(number, 3), sort=f"{number:.6g}")
                for number in (
                    float(raw[site].mean()),
                    float(raw[site].std(ddof=1)),
                    float(after[site].std(ddof=1)),
                    far,
                )
            ),
        )
        for site, far in distance.items()
    )
    head = ("Site", "Cases", "Mean", "SD before", "SD after", "Distance to prior")
    notes = (
        "Mean and standard deviation over features. Distance: the largest between the cumulative "
        "distributions of the estimates and of the prior, 0 where they agree.",
    )
    return Table(f"{part.what} by site", head, rows, notes=notes)
