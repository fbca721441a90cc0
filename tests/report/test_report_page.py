import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from harmonize_kit.core.scorecard import Score, Scorecard
from harmonize_kit.report import write_report
from harmonize_kit.report.citations import citations
from harmonize_kit.report.cohort import cohort_tables
from harmonize_kit.report.footnotes import footnotes
from harmonize_kit.report.material import Material
from harmonize_kit.report.quality import quality_tables
from harmonize_kit.report.text import MISSING

VOID = {"meta", "input", "img", "br", "link", "col"}


class Page(HTMLParser):
    """Elements with their attributes, the text of each, and whether all were closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.text = [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1]}"
        self.open.pop()

    def handle_data(self, data):
        for _, place in self.open:
            self.text[place] = self.text.get(place, "") + data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    def texts(self, tag):
        found = [place for place, (name, _) in enumerate(self.elements) if name == tag]
        return [self.text.get(place, "") for place in found]


@pytest.fixture(scope="module")
def reports(make_scorecard, hostile, tmp_path_factory):
    root = tmp_path_factory.mktemp("pages")
    truth = pd.DataFrame(
        {"quantity": ["median η²", "sites"], "planted": [0.2, "B, C"], "raw": [0.23, "B"]}
    )
    record = {"command": "harmonize-kit report", "versions": {"numpy": "2.4"}, "inputs": ["a", "b"]}
    methods = {"combat": "ComBat with empirical Bayes (Johnson 2007)"}
    three = make_scorecard(("raw", "combat", "cyclegan"), left=(1, 0.05, 0.4))
    bad = make_scorecard(
        ("raw" + hostile[0], hostile[1]),
        sites=hostile,
        covariates=(hostile[2], hostile[7]),
        features=[*hostile, "ok"],
    )
    odd = {name: name for name in hostile}
    bad_truth = pd.DataFrame({"quantity": hostile, "planted": hostile, hostile[1]: hostile})
    kinds: dict[str, tuple[Scorecard, dict[str, Any]]] = {
        "three": (three, {"truth": truth, "provenance": record, "methods": methods}),
        "sites": (make_scorecard(sites=[f"Site {number}" for number in range(23)]), {}),
        "bad": (
            bad,
            {"title": hostile[0], "provenance": odd, "methods": odd, "truth": bad_truth},
        ),
    }
    for name, (card, options) in kinds.items():
        write_report(card, root / name, **options)
    return {name: (root / name, kinds[name][0]) for name in kinds}


@pytest.fixture(params=["three", "sites", "bad"])
def page(reports, request):
    return Page((reports[request.param][0] / "report.html").read_text(encoding="utf-8"))


def test_structure(page):
    assert page.open == []
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    assert page.texts("title")[0] == page.texts("h1")[0]
    assert page.all("meta")[0] == {"charset": "utf-8"}


def test_headings_do_not_skip_levels(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_are_named_and_their_headings_scoped(page):
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all(caption.strip() for caption in page.texts("caption"))
    assert {attrs.get("scope") for attrs in page.all("th")} <= {
        "row", "col", "colgroup", "rowgroup",
    }  # fmt: skip
    assert len(page.all("thead")) == len(page.all("table"))


def test_ids_are_unique_and_every_reference_lands(page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = [attrs["href"][1:] for _, attrs in page.elements if "href" in attrs]
    for _, attrs in page.elements:
        wanted += attrs.get("aria-labelledby", "").split()
        wanted += [attrs["for"]] if "for" in attrs else []
        wanted += re.findall(r"url\(#([^)]+)\)", attrs.get("clip-path", ""))
    assert wanted
    assert set(wanted) <= set(ids)


def test_figures_are_images_with_a_name_and_their_numbers(page):
    drawn = page.all("svg")
    pictures = [svg for svg in drawn if svg.get("class") != "whisker"]
    assert len(pictures) < len(drawn)
    assert all(svg["aria-hidden"] == "true" for svg in drawn if svg not in pictures)
    assert all(svg["role"] == "img" and svg["aria-labelledby"] for svg in pictures)
    assert len(pictures) == len(page.all("figure")) == len(page.all("figcaption"))
    assert len(page.all("details")) == len(page.all("summary")) > len(pictures)
    assert sum("Numbers of figure" in text for text in page.texts("summary")) == len(pictures)


def test_policy_names_the_one_script(page):
    policies = [
        attrs["content"]
        for attrs in page.all("meta")
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    (script,) = page.texts("script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert f"script-src 'sha256-{digest}'" in policies[0]
    assert len([line for line in script.splitlines() if line.strip()]) < 100


def test_nothing_comes_from_elsewhere(page):
    loading = {"srcset", "action", "data", "poster", "background"}
    for tag, attrs in page.elements:
        assert tag not in {"iframe", "object", "embed", "link", "base", "form"}
        assert not loading & attrs.keys()
        assert attrs.get("href", "#").startswith("#")
        assert attrs.get("src", "data:image/webp;").startswith("data:image/webp;")
        assert not [name for name in attrs if name.startswith("on")]
    (style,) = page.texts("style")
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_names_are_text(reports, hostile):
    folder, card = reports["bad"]
    raw = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(raw)
    assert len(page.all("script")) == 1
    assert page.texts("h1") == [hostile[0]]
    assert not [character for character in "\x00\x07\u202e" if character in raw]
    words = " ".join(page.texts("th"))
    for name in (*hostile[:4], r"line\nbreak\ttab", r"right\u202eto left", r"nul\x00bell\x07"):
        assert name in words
    content = json.loads((folder / "report.json").read_text())
    assert list(content["about"]["sites"]) == list(hostile)
    assert content["scores"][0]["candidate"] == card.candidates[0]


def test_numbers_on_the_page_are_those_of_the_json(reports):
    folder, _ = reports["three"]
    page = Page((folder / "report.html").read_text())
    cells = [text.replace("\xa0", " ") for text in page.texts("td")]
    for score in json.loads((folder / "report.json").read_text())["scores"]:
        if score["metric"].startswith("site_balanced"):
            low, high = score["interval"]
            null = score["null"]
            expected = (
                f"{score['value']:.2f}{low:.2f} to {high:.2f}null {null['mean']:.2f} "
                f"({null['low']:.2f} to {null['high']:.2f}), p = {null['p']:.2g}"
            )
            assert any(cell.startswith(expected[:-2]) for cell in cells), expected


def test_sections_of_a_full_report(reports):
    page = Page((reports["three"][0] / "report.html").read_text())
    sections = [attrs["id"] for attrs in page.all("section")]
    assert sections == [
        "verdict",
        "cohort",
        "quality",
        "truth",
        "site",
        "effects",
        "biology",
        "comparison",
        "features",
        "methods",
        "provenance",
    ]
    text = " ".join(page.texts("main"))
    for phrase in (
        "Age and site go together",  # a warning of the comparison
        "constant in every site",  # why a feature was left out
        "a: Random forest with 200 trees.",  # a note on a score
        "cannot show that no site effect is left",
        "5-fold cross-validation, all cases of a subject in one fold",
        "1000 bootstrap samples of subjects; nulls over 999 permutations; the random seed is 7",
        "ComBat with empirical Bayes (Johnson 2007)",
        "+0.03",  # estimate minus planted
        "versions.numpy",
    ):
        assert phrase in text, phrase


def test_works_are_cited_where_their_methods_occur(reports):
    three = " ".join(Page((reports["three"][0] / "report.html").read_text()).texts("li"))
    for work in (
        "Biostatistics 2007; 8:118",
        "NeuroImage 2018; 167:104",
        "NeuroImage 2017; 161:149",
        "Benjamini Y, Hochberg Y.",
        "Cancer Research 2017; 77:e104",
        "cycle-consistent",
    ):
        assert work in three
    bad = " ".join(Page((reports["bad"][0] / "report.html").read_text()).texts("li"))
    assert "Benjamini" in bad
    assert "Biostatistics" not in bad
    assert "Cancer Research" not in bad


@pytest.mark.parametrize(
    ("feature", "record", "cited"),
    [
        ("original_firstorder_Mean", {}, True),
        ("log-sigma-1-0-mm-3D_glcm_Contrast", {}, True),
        ("wavelet-LLH_glrlm_RunEntropy", {}, True),
        ("t1_original_shape_MeshVolume", {}, True),
        ("left_thickness", {}, False),
        ("original_score", {}, False),
        ("aboriginal_shape_index", {}, False),
        ("left_thickness", {"versions": {"pyradiomics-bhklab": "3.1.4"}}, False),
        ("left_thickness", {"command": "report", "inputs": {"extract.csv": "1"}}, False),
        ("left_thickness", {"made_by": [{"command": "harmonize-kit extract a.csv"}]}, True),
    ],
)
def test_pyradiomics_is_cited_where_it_extracted(feature, record, cited):
    frame = pd.DataFrame({"partial_eta_squared": [0.1]}, index=[feature])
    card = Scorecard((score("raw", "age", ""),), {"raw": frame})
    works = [work.short for work in citations(card, {"raw": "radiomics"}, record)]
    assert ("van Griethuysen 2017" in works) is cited


def test_what_footnotes_cite_is_among_the_references(tmp_path):
    note = "an upper bound, since it reads it of held-out cases too (Nieto et al. 2024)"
    for text in (note, ""):
        page = Page(write_report(Scorecard((score("raw", "age", text),)), tmp_path).read_text())
        assert ("arXiv:2410.19643" in " ".join(page.texts("li"))) is bool(text)


def test_comparison_words(reports):
    page = Page((reports["three"][0] / "report.html").read_text())
    rows = [text.replace("\n", "") for text in page.texts("tr")]
    linear = next(row for row in rows if row.startswith("Site prediction, linear") and "✓" in row)
    assert linear.count("✓ better") == 2
    assert any(row.startswith("R²: age") and "no difference shown" in row for row in rows)


def score(candidate, target, note):
    return Score(candidate, "biology", "auc", target, 0.7, True, note=note)


def test_footnotes_say_each_thing_once():
    notes = footnotes(
        [
            score("raw", "sex", "null: x; about sex"),
            score("raw", "age", "null: x"),
            score("combat", "sex", "null: x; about sex; refitted"),
            score("combat", "age", "null: x; refitted"),
            score("other", "sex", "null: x; about sex"),
            score("other", "age", "null: x"),
        ]
    )
    assert notes.lines == ["Null: x.", "a: About sex.", "b: Refitted."]
    assert notes.columns == {("auc", "sex"): "a"}
    assert notes.values == {("combat", "auc", "sex"): "b", ("combat", "auc", "age"): "b"}


def test_cohort_as_the_comparison_describes_it():
    about = {
        "site": "scanner",
        "sites": {"A": 30, "B": 4},
        "biology": ["age", {"name": "sex", "kind": "binary", "levels": ["F", "M"]}],
        "outcome": {"name": "group", "kind": "binary", "levels": ["patient", "control"]},
        "subject": "person",
        "left_out_sites": ["B"],
        "candidates": {"raw": "table"},
    }
    tables = {table.caption: table for table in cohort_tables(about, {})}
    sites = tables["Cases by site (column scanner)"]
    assert [cell.mark for _, cell, _ in sites.rows] == ["", "few"]
    columns = tables["Covariates and other columns used"]
    assert [tuple(cell.text for cell in row) for row in columns.rows] == [
        ("age", MISSING, ""),
        ("sex", "binary", "F, M"),
        ("group", "binary, outcome", "patient, control"),
        ("person", "subject", ""),
    ]
    left_out = {table.caption: table for table in quality_tables(about, Material())}
    assert left_out["Sites left out of cross-validation"].head == ("Site",)
    assert tables["What is compared"].head == ("Candidate", "Kind")
    assert cohort_tables({}, {}) == quality_tables({}, Material()) == []


def test_long_parts_of_the_record_are_folded(make_scorecard, tmp_path):
    record = {"command": "report", "configuration": {f"option{n}": n for n in range(30)}}
    card = Scorecard(make_scorecard(covariates=()).scores[:1])
    page = Page(write_report(card, tmp_path, provenance=record).read_text())
    assert page.texts("summary")[-1] == "configuration, 30 entries"
    assert page.texts("caption")[-2:] == ["How this report was made", "configuration"]
