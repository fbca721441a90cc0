"""Figures of what a comparison says of itself: overlap, variance, pairs of sites, curves, plane."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest

from harmonize_kit.report.design_table import design_table
from harmonize_kit.report.drawing.curves import draw_curves
from harmonize_kit.report.drawing.overlap import draw_overlap
from harmonize_kit.report.drawing.plane import draw_plane, standpoints
from harmonize_kit.report.drawing.site_pairs import draw_site_pairs
from harmonize_kit.report.drawing.variance import draw_variance

SITES = ("Basel", "Lyon", "Porto")


def hover(picture: Any) -> list[str]:
    return re.findall(r"<use [^>]*><title>([^<]*)</title>", picture.inline)


def texts(picture: Any) -> list[list[str]]:
    return [[cell.text for cell in row] for row in picture.table.rows]


def test_overlap_shows_numbers_and_shares() -> None:
    ages = {"Basel": [20, 30, 40, 50, 60], "Lyon": [35, 40, 45, 50, 80]}
    by_site = {
        "age": {site: {"quantiles": q} for site, q in ages.items()},
        "sex": {"Basel": {"counts": {"F": 1, "M": 3}}, "Lyon": {"counts": {"F": 2, "M": 0}}},
    }
    picture = draw_overlap(by_site)
    assert picture is not None
    assert hover(picture) == ["Basel: median 40, 20 to 60", "Lyon: median 45, 35 to 80"]
    percent = "\N{NARROW NO-BREAK SPACE}%"
    assert texts(picture) == [
        ["Basel", "40", f"F 25{percent} (1), M 75{percent} (3)"],
        ["Lyon", "45", f"F 100{percent} (2), M 0{percent} (0)"],
    ]
    assert draw_overlap({}) is None
    assert draw_overlap({"age": {}}) is None


def test_the_design_is_judged_by_overlap_and_condition() -> None:
    shares = {"Basel": 0.9, "Lyon": 0.1, "Porto": 0.15}
    table = design_table({"overlap": {"age": shares}, "condition_number": 42.0})
    assert table is not None
    assert [cell.text for cell in table.rows[0]] == ["age", "0.10", "Lyon and Porto"]
    assert "42.0 (high" in table.notes[1]
    fine = design_table({"overlap": {"age": {"Basel": 0.9}}, "condition_number": 2.0})
    assert fine is not None
    assert fine.rows[0][2].text == "none"
    assert "not high" in fine.notes[1]
    assert design_table({}) is None


def test_bars_of_variance_are_as_long_as_their_shares() -> None:
    shares = {"scanner": 0.5, "age": 0.2, "shared": -0.01, "residual": 0.3}
    found = {"raw": {part: {"value": share} for part, share in shares.items()}}
    picture = draw_variance(found)
    assert picture is not None
    bars = re.findall(
        r'<path d="M ([\d.]+) [\d.]+ L ([\d.]+) [^"]*"[^>]*fill: (#\w+)', picture.inline
    )
    widths: dict[str, float] = {}
    for left, right, colour in bars:  # of the legend's patches, which are shorter, too
        widths[colour] = max(widths.get(colour, 0.0), abs(float(right) - float(left)))
    site, age = widths["#d55e00"], widths["#0072b2"]
    assert site / age == pytest.approx(2.5, rel=0.01)
    assert texts(picture) == [["raw", "0.500", "0.200", "\N{MINUS SIGN}0.010", "0.300"]]
    assert draw_variance({}) is None


def pairs(values: Mapping[Any, float]) -> list[dict[str, Any]]:
    return [{"sites": list(pair), "cohens_d": value} for pair, value in values.items()]


def test_pairs_of_sites_are_listed_from_the_farthest() -> None:
    values = dict(zip(combinations(SITES, 2), (0.2, 0.9, 0.4), strict=True))
    picture = draw_site_pairs({"raw": pairs(values), "combat": pairs(dict.fromkeys(values, 0.1))})
    assert picture is not None
    assert texts(picture) == [
        ["Basel and Porto", "0.90", "0.10"],
        ["Lyon and Porto", "0.40", "0.10"],
        ["Basel and Lyon", "0.20", "0.10"],
    ]
    assert picture.inline.count(">Porto<") == 2  # below the diagonal: a row each, no column
    assert draw_site_pairs({"raw": pairs({("Basel", "Lyon"): 0.3})}) is None


def test_many_pairs_stay_small() -> None:
    sites = [f"Site {number}" for number in range(30)]
    values = {pair: 0.01 * place for place, pair in enumerate(combinations(sites, 2))}
    picture = draw_site_pairs(dict.fromkeys(("raw", "a", "b", "c"), pairs(values)))
    assert picture is not None
    assert len(picture.inline) < 300_000
    assert "25 farthest apart before, of 435" in picture.table.notes[0]


def test_curves_need_points_and_candidates() -> None:
    curve = {"low": [0, 1, 2], "median": [1, 2, 3], "high": [2, 3, 4]}
    found = {"at": [20, 40, 60], "within_sites": curve, "candidates": {"raw": curve}}
    picture = draw_curves("age", found, 1)
    assert picture is not None
    assert picture.key == "curves_1"
    assert texts(picture)[1] == ["40", "2.000", "2.000"]
    assert draw_curves("age", {"at": [], "candidates": {"raw": curve}}, 1) is None
    assert draw_curves("age", {"at": [20, 40, 60], "candidates": {}}, 1) is None


def place(name: str, removal: Any, preservation: float, front: bool = False) -> dict[str, Any]:
    return {
        "candidate": name, "removal": removal, "preservation": preservation, "front": front,
        "removal_interval": [0.1, 0.9], "preservation_interval": None,
    }  # fmt: skip


def test_the_plane_shows_who_is_on_the_front() -> None:
    points = [place("raw", 0.1, 0.9, True), place("a", 0.8, 0.8, True), place("b", 0.5, 0.2)]
    about = {"plane": {"removal": "what is gone", "preservation": "what stays", "points": points}}
    picture = draw_plane(about)
    assert picture is not None
    assert hover(picture) == [
        "raw: removal 0.10, preservation 0.90, on the front",
        "a: removal 0.80, preservation 0.80, on the front",
        "b: removal 0.50, preservation 0.20",
    ]
    assert "what is gone" in picture.caption
    assert "what stays" in picture.caption
    assert "Pareto front" in picture.inline
    assert [row[-1] for row in texts(picture)] == ["yes", "yes", "no"]


def test_candidates_without_a_place_are_not_in_the_plane() -> None:
    assert standpoints({"plane": {"points": [place("raw", None, 0.9)]}}) == []
    assert draw_plane({"plane": {"points": [place("raw", 0.5, 0.9)]}}) is None
    assert draw_plane({}) is None
