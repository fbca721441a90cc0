import re
from collections import Counter
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from harmonize_kit.report import write_report
from harmonize_kit.report.drawing.before_after import SITE, association, draw_before_after
from harmonize_kit.report.drawing.embedding import draw_embedding
from harmonize_kit.report.drawing.picture import thinned
from harmonize_kit.report.drawing.prediction import draw_site_prediction
from harmonize_kit.report.drawing.style import MARKERS, PALETTE, VARIABLES, site_style

SVG = "{http://www.w3.org/2000/svg}"


def titles(svg):
    return re.findall(r"<use [^>]*><title>([^<]*)</title>", svg)


@pytest.fixture(scope="module")
def card(make_scorecard):
    return make_scorecard(("raw", "combat", "covbat"), n_cases=60, n_features=20)


@pytest.fixture(scope="module")
def pictures(card):
    drawn = [
        draw_site_prediction(card),
        draw_embedding(card.embeddings, card.about, show_ids=True),
        draw_before_after(card.features, SITE),
        draw_before_after(card.features, association("age", 1)),
    ]
    assert None not in drawn
    return {picture.key: picture for picture in drawn if picture}


def test_every_case_has_its_point_and_its_name(pictures, card):
    expected = Counter(
        f"{name}, {site}"
        for frame in card.embeddings.values()
        for name, site in zip(frame.index, frame["site"], strict=True)
    )
    assert Counter(titles(pictures["embedding"].inline)) == expected


def test_a_point_lies_where_its_case_lies(pictures, card):
    """The first panel's points, fitted against the coordinates they were drawn from."""
    frame = card.embeddings["raw"]
    drawn = {}
    for x, name in re.findall(
        r'<use [^>]*?x="([\d.]+)"[^>]*><title>(case-\d+), ', pictures["embedding"].inline
    ):
        drawn.setdefault(name, float(x))
    left, right = frame["pc1"].idxmin(), frame["pc1"].idxmax()
    scale = (drawn[right] - drawn[left]) / (frame.loc[right, "pc1"] - frame.loc[left, "pc1"])
    for name in frame.index:
        expected = drawn[left] + scale * (frame.loc[name, "pc1"] - frame.loc[left, "pc1"])
        assert drawn[name] == pytest.approx(expected, abs=0.05)


def test_every_feature_is_named_with_both_values(pictures, card):
    found = titles(pictures["site_effect"].inline)
    assert len(found) == 2 * len(card.features["raw"])
    name = card.features["raw"].index[3]
    before, after = (card.features[c].loc[name, "partial_eta_squared"] for c in ("raw", "combat"))
    assert f"{name}: {before:.3f} before, {after:.3f} after" in found


def test_inline_figures_follow_the_page(pictures):
    for key, picture in pictures.items():
        assert not [sentinel for sentinel in VARIABLES if sentinel in picture.inline]
        assert {"var(--ink)", "var(--quiet)"} <= set(re.findall(r"var\(--\w+\)", picture.inline))
        assert "<style" not in picture.inline
        assert "DejaVu" not in picture.inline + picture.standalone
        assert all(
            name.startswith(f"{key}-") for name in re.findall(r' id="(.*?)"', picture.inline)
        )


def test_standalone_figures_are_documents_on_white(pictures):
    for picture in pictures.values():
        root = ET.fromstring(picture.standalone)
        assert root.tag == f"{SVG}svg"
        assert root[0].tag == f"{SVG}title"
        assert root[0].text == picture.title
        assert root[1].text == picture.caption
        assert root[2].attrib == {"width": "100%", "height": "100%", "style": "fill: #ffffff"}
        assert "var(" not in picture.standalone
        assert not re.search(r"\d{4}-\d\d-\d\d|[Mm]atplotlib", picture.standalone)


def test_hostile_names_leave_svg_well_formed(make_scorecard, hostile, tmp_path):
    card = make_scorecard(hostile[:2], sites=hostile, covariates=hostile[7:], features=hostile)
    write_report(card, tmp_path)
    figures = list(tmp_path.glob("figures/*.svg"))
    assert len(figures) == 7
    for path in figures:
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        assert {element.tag for element in root.iter()} <= {
            f"{SVG}{name}"
            for name in ("svg", "g", "path", "use", "text", "title", "desc", "defs", "rect")
        } | {f"{SVG}clipPath"}
        assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)


def test_sites_differ_in_colour_or_shape():
    looks = [site_style(number) for number in range(64)]
    assert len(set(looks)) == 64
    assert len({colour for colour, _ in looks[:8]}) == len({shape for _, shape in looks[:8]}) == 8
    assert {colour for colour, _ in looks} == set(PALETTE)
    assert {shape for _, shape in looks} == set(MARKERS)


def test_many_sites_with_long_names(make_scorecard):
    sites = [f"Hospital number {number} of the northern region" for number in range(70)]
    card = make_scorecard(sites=sites, n_cases=140)
    picture = draw_embedding(card.embeddings, card.about, show_ids=False)
    assert picture is not None
    together = re.findall(r"<g [^>]*><title>([^<]*)</title>", picture.inline)
    assert {*together, *titles(picture.inline)} == set(sites)
    assert "and 22 more" in picture.inline
    assert len(picture.table.rows) == 70


def test_what_points_have_in_common_is_said_once(card):
    picture = draw_embedding(card.embeddings, card.about, show_ids=False)
    assert picture is not None
    assert titles(picture.inline) == []
    together = re.findall(r"<g [^>]*><title>([^<]*)</title>", picture.inline)
    assert set(together) == set(card.about["sites"])


def test_letters_the_measuring_font_lacks_make_no_noise(make_scorecard):
    card = make_scorecard(sites=("東京", "서울", "_private", "$x$"))
    picture = draw_embedding(card.embeddings, card.about, show_ids=True)
    assert picture is not None
    for name in ("東京", "서울", "_private", "$x$"):
        assert re.search(rf"<text [^>]*>\s*{re.escape(name)}</text>", picture.inline)


def test_users_settings_of_matplotlib_are_neither_used_nor_changed(card, pictures):
    with mpl.rc_context({"lines.linewidth": 9, "axes.grid": True, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        again = draw_before_after(card.features, SITE)
        assert dict(mpl.rcParams) == before
    assert again == pictures["site_effect"]


def test_thinning_keeps_both_ends():
    assert thinned(5, 10) == [0, 1, 2, 3, 4]
    kept = thinned(1000, 100)
    assert (kept[0], kept[-1], len(set(kept))) == (0, 999, 100)
