"""The page as a reader meets it: a real browser, offline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Reading, axe_script, open_browser

from harmonize_kit.report import write_report
from harmonize_kit.report.guarded import GuardedImage, GuardedImages
from harmonize_kit.report.material import ImageChange, Material, SiteEstimates, TrainingRange
from harmonize_kit.report.reader_ratings import ReaderRatings


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as found:
        yield found


def material(sites: list[str]) -> Material:
    rng = np.random.default_rng(5)
    raw = rng.normal(0.3, 0.5, (len(sites), 60))
    scale = rng.gamma(8, 0.12, raw.shape)
    z, y, x = np.mgrid[:20, :24, :22]
    ball = (z - 10) ** 2 + (y - 12) ** 2 + (x - 11) ** 2
    before = np.where(ball < 81, 100.0 - ball / 2, 0.0) + rng.normal(0, 2, ball.shape)
    later = (1.1 * before, 0.9 * before)
    labels = ("raw", "cyclegan", "template")
    image = ImageChange(sites[0], before, later, (1.0, 1.0, 2.0), ball < 9, labels)
    counts = tuple(range(5, 5 + len(sites)))
    estimates = SiteEstimates("combat", tuple(sites), counts, raw, 0.8 * raw, scale, scale**0.8)
    ranges = (TrainingRange("combat", "age", (20, 60), (18, 71), 4, 120),)
    seen = [
        GuardedImage(f"c{place}", site, "t1", {"change": 0.2, "explained": 0.9}, (site,))
        for place, site in enumerate(sites)
    ]
    guarded = GuardedImages("cyclegan", tuple(seen), {"change": (None, 1.0)}, 3)
    failures = {"raw": {"TRUNCATED": 2}}
    answer = {"candidate": sites[0], "question": sites[-1], "n_cases": 4, "interval": (0.1, 0.9)}
    said = tuple(
        {**answer, "against": against, "answer": "no", "kind": kind, "value": 0.4, "n_ratings": 8}
        for kind, against in (("level", ""), ("difference", "raw"), ("pair", "raw"))
    )
    agreed = {"question": sites[0], "kind": "intra", "readers": ("N",), "coefficient": "kappa"}
    again = ({**agreed, "value": None, "exact": 1.0, "n": 3, "interval": None},)
    readers = ReaderRatings(2, 4, 8, said, again, 9.0)
    return Material((estimates,), ranges, {"Zzz": 3}, failures, (image,), (guarded,), readers)


def with_extras(card: Any) -> Any:
    """Add what a comparison says of design, curves and the plane."""
    sites, names = list(card.about["sites"]), card.candidates
    ages = {s: {"quantiles": [18 + k, 30, 41.5 + k, 50, 70 - k]} for k, s in enumerate(sites)}
    sexes = {s: {"counts": {"F": 10 + k, "M": 12}} for k, s in enumerate(sites)}
    points = np.linspace(20, 70, 9)
    course = np.sin(points / 30)
    curve = {"low": course - 1, "median": course, "high": course + 1}
    courses = dict.fromkeys(names, curve)
    plane = [
        {
            "candidate": name, "removal": 0.1 + 0.3 * k, "preservation": 0.9 - 0.1 * k,
            "removal_interval": [0.3 * k, 0.2 + 0.3 * k], "front": True,
        }
        for k, name in enumerate(names)
    ]  # fmt: skip
    more = {
        "covariates_by_site": {"age": ages, "sex": sexes},
        "condition_number": 4.2,
        "overlap": {"age": dict.fromkeys(sites, 0.9)},
        "variance_partition": {
            name: {part: {"value": 0.2} for part in ("site", "age", "shared", "residual")}
            for name in names
        },
        "site_pairs": {
            name: [
                {"sites": pair, "cohens_d": 0.4, "mahalanobis": 1.2, "covariance": 0.3}
                for pair in combinations(sites, 2)
            ]
            for name in names
        },
        "curves": {"age": {"at": points, "within_sites": curve, "candidates": courses}},
        "plane": {"removal": "a", "preservation": "b", "points": plane},
    }
    return replace(card, about={**card.about, **more})


@pytest.fixture(scope="module")
def folders(make_scorecard: Any, hostile: Any, tmp_path_factory: Any) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("browser")
    good = with_extras(make_scorecard(("raw", "combat", "covbat"), n_cases=60))
    bad = with_extras(
        make_scorecard(
            ("raw" + hostile[0], hostile[1]), sites=hostile, covariates=(hostile[2],),
            features=[*hostile, "ok"], n_cases=40,
        )
    )  # fmt: skip
    sites = list(good.about["sites"])
    write_report(good, root / "good", material=material(sites), provenance={"seed": 7})
    odd = {name: name for name in hostile}
    write_report(
        bad, root / "bad", title=hostile[0], material=material(list(hostile)), methods=odd,
        provenance=odd, show_ids=True,
    )  # fmt: skip
    return {"good": root / "good", "bad": root / "bad"}


@pytest.mark.parametrize("name", ["good", "bad"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_loaded_nothing_complains_and_axe_finds_nothing_serious(
    browser: Any, folders: dict[str, Path], name: str, scheme: Any
) -> None:
    reading = Reading(browser, folders[name] / "report.html", color_scheme=scheme, bypass_csp=True)
    reading.page.add_script_tag(path=str(axe_script()))
    found = reading.page.evaluate("axe.run()")
    grave = [
        (issue["id"], [node["target"] for node in issue["nodes"]][:3])
        for issue in found["violations"]
        if issue["impact"] in ("serious", "critical")
    ]
    assert grave == []
    assert (reading.foreign, reading.messages, reading.dialogs) == ([], [], [])


@pytest.mark.parametrize("name", ["good", "bad"])
def test_under_its_own_policy_the_script_runs_and_no_other(
    browser: Any, folders: dict[str, Path], name: str
) -> None:
    reading = Reading(browser, folders[name] / "report.html")
    page = reading.page
    assert page.locator(".filter:visible").count() == 3
    assert page.locator("script").count() == 1
    assert (reading.foreign, reading.messages, reading.dialogs) == ([], [], [])
    # Script that slips in all the same is stopped by the policy.
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.slipped = 1';"
        " document.body.append(s); }"
    )
    assert page.evaluate("window.slipped") is None


def test_tables_are_filtered_and_sorted(browser: Any, folders: dict[str, Path]) -> None:
    page = Reading(browser, folders["good"] / "report.html").page
    rows = "#feature-table tbody tr"
    total = page.locator(rows).count()
    page.fill("#feature-table-filter", "glcm")
    visible = page.locator(f"{rows}:visible")
    assert 0 < visible.count() < total
    assert all("glcm" in text for text in visible.locator("th").all_inner_texts())
    page.fill("#feature-table-filter", "")
    page.locator("#feature-table thead tr:last-child button").nth(1).click()
    first = page.locator(f"{rows} td:nth-child(2)")
    values = [float(cell.get_attribute("data-v") or "nan") for cell in first.all()]
    assert values == sorted(values, reverse=True)
    assert page.locator("#feature-table tbody tr:first-child td:visible").count() == 3
    page.select_option("#statistic", "0")
    assert page.locator("#feature-table tbody tr:first-child td:visible").count() == 9
    page.fill("#comparison-table-filter", "balanced nonsense")
    assert page.locator("#comparison-table tbody tr:visible").count() == 0


def test_numbers_on_the_page_are_those_of_the_json(browser: Any, folders: dict[str, Path]) -> None:
    page = Reading(browser, folders["good"] / "report.html").page
    scores = json.loads((folders["good"] / "report.json").read_text())["scores"]
    shown = page.evaluate(
        """() => Array.from(
             document.querySelectorAll("#comparison-table tbody tr:not(.part)"),
             row => Array.from(row.cells).slice(1).map(cell => cell.dataset.v ?? null))"""
    )
    drawn = sorted(float(value) for row in shown for value in row if value is not None)
    expected = sorted(float(f"{score['value']:.6g}") for score in scores)
    assert drawn == pytest.approx(expected, rel=1e-12)


def test_it_prints_and_fits_a_narrow_screen(
    browser: Any, folders: dict[str, Path], tmp_path: Path
) -> None:
    for name in folders:
        reading = Reading(
            browser, folders[name] / "report.html", viewport={"width": 400, "height": 800}
        )
        width = reading.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 400
    reading = Reading(browser, folders["good"] / "report.html")
    data = reading.page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") >= 4


def test_every_section_is_reached_by_keyboard(browser: Any, folders: dict[str, Path]) -> None:
    page = Reading(browser, folders["good"] / "report.html").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    links = page.locator("nav a")
    assert links.count() == page.locator("main > section").count()
    for target in links.evaluate_all("all => all.map(a => a.getAttribute('href'))"):
        assert page.locator(target).count() == 1


def test_size(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        assert (folder / "report.html").stat().st_size < 2e6
