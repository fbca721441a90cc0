"""Every score is shown somewhere, under its topic; leads, whiskers, works."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harmonize_kit.core.scorecard import Null, Score, Scorecard
from harmonize_kit.report import write_report
from harmonize_kit.report.citations import bibliography, citations
from harmonize_kit.report.drawing.score_panels import MAX_PANELS, draw_scores
from harmonize_kit.report.lead import KEPT, LOST, SILENT, STRONGER, biology_lead, site_lead
from harmonize_kit.report.methods import methods_text
from harmonize_kit.report.metrics import METRICS
from harmonize_kit.report.tables import comparison_table
from harmonize_kit.report.topics import TOPICS, by_topic, topic_of
from harmonize_kit.report.whisker import WIDTH, scale_of, whisker_of
from harmonize_kit.report.works import WORKS

SCORE = Score("raw", "site", "site_novelty", "site", 0.4, False, (0.3, 0.5))
ABOUT = {"sites": {"A": 50, "B": 50, "C": 50, "D": 50}}


def test_a_metric_nobody_described_is_shown_by_its_name(
    make_scorecard: Any, tmp_path: Path
) -> None:
    card = make_scorecard(n_cases=40)
    odd = [
        SCORE, replace(SCORE, family="biology", metric="novel_effect", target="age"),
        replace(SCORE, family="control", metric="novel_control"),
    ]  # fmt: skip
    card = replace(card, scores=(*card.scores, *odd))
    assert [topic_of(score).key for score in odd] == ["site", "biology", "control"]
    text = write_report(card, tmp_path).read_text()
    for name in ("site novelty", "novel effect: age", "novel control"):
        assert text.count(name) >= 3  # figure, its numbers, comparison
    assert '<section id="controls"' in text


def test_every_score_is_in_the_comparison_once(make_scorecard: Any) -> None:
    card = make_scorecard(("raw", "combat", "covbat"))
    table = comparison_table(card)
    cells = [cell for row in table.rows for cell in row[1:] if cell.sort]
    assert len(cells) == len(card.scores)
    assert sum(length for _, length in table.parts) == len(table.rows)
    assert [len(rows) for _, rows in table.bodies] == [length for _, length in table.parts]


def test_topics_of_metrics_are_known() -> None:
    keys = {topic.key for topic in TOPICS}
    assert {metric.topic for metric in METRICS.values()} <= keys | {""}
    assert len(keys) == len(TOPICS)


def test_panels_have_their_scores_and_say_what_is_not_drawn() -> None:
    scores = [
        replace(SCORE, candidate=name, metric=f"m{number}", value=0.1 * number)
        for number in range(MAX_PANELS + 2)
        for name in ("raw", "combat")
    ]
    card = Scorecard(tuple(scores), about=ABOUT)
    ((topic, chosen),) = by_topic(card).items()
    picture = draw_scores(card, topic, chosen)
    assert picture is not None
    hover = re.findall(r"<use [^>]*><title>([^<]*)</title>", picture.inline)
    assert len(hover) == 2 * MAX_PANELS
    assert "combat, m3: 0.300 (0.300 to 0.500)" in hover
    assert f"The first {MAX_PANELS} of {MAX_PANELS + 2} measures are drawn" in picture.caption
    assert len(picture.table.rows) == MAX_PANELS + 2
    nothing = replace(SCORE, value=float("nan"))
    assert draw_scores(Scorecard((nothing,)), topic, [nothing]) is None


def test_whiskers_lie_on_the_scale_of_their_row() -> None:
    low = replace(SCORE, value=0.0, interval=(0.0, 1.0), null=Null(0.5, 0.25, 0.75, 0.1))
    high = replace(SCORE, value=2.0, interval=None)
    scale = scale_of([low, None, high])
    assert scale == (0.0, 2.0)
    first, last = whisker_of(low, 0.0, 2.0), whisker_of(high, 0.0, 2.0)
    assert first is not None
    assert last is not None
    assert (first.value, last.value) == (4.0, WIDTH - 4.0)
    assert first.interval == (4.0, 44.0)
    assert first.null == (15.0, 22.0)
    assert last.interval is None
    assert whisker_of(replace(SCORE, value=float("nan")), 0, 1) is None
    assert scale_of([None, replace(high, value=float("nan"))]) is None


def accuracy(name: str, value: float) -> Score:
    null = Null(0.25, 0.2, 0.3, 0.1)
    return Score(name, "site", "site_balanced_accuracy_linear", "site", value, False, None, null)


def test_the_lead_says_of_every_candidate_where_it_stands() -> None:
    scores = [accuracy("raw", 0.8), accuracy("a", 0.22), accuracy("b", 0.28), accuracy("c", 0.1)]
    assert site_lead(scores, Scorecard(tuple(scores), about=ABOUT)) == (
        "The site can be told from raw (balanced accuracy 0.80, by chance 0.25); the accuracy is "
        "not shown to differ from chance in a (0.22) and b (0.28); below chance, which is no "
        "better: c (0.10)."
    )


def test_names_in_the_lead_are_no_templates() -> None:
    scores = [accuracy("{0}{x}", 0.8)]
    assert "{0}{x}" in site_lead(scores, Scorecard(tuple(scores), about=ABOUT))


def test_the_lead_on_biology_names_losses_first() -> None:
    fates = {
        "a": {"age": KEPT, "sex": SILENT},
        "b": {"age": LOST, "sex": SILENT},
        "c": {"age": STRONGER, "sex": SILENT},
    }
    assert biology_lead(fates) == (
        f"Lost in part or whole: age in b; {STRONGER}: age in c; no loss shown: age in a; "
        "not detected before or after: sex in every candidate."
    )
    assert biology_lead({}) == ""


@pytest.mark.parametrize(
    ("metric", "work"),
    [
        ("site_permanova_r2", "Anderson 2001"),
        ("site_ilisi", "Korsunsky 2019"),
        ("site_kbet", "Büttner 2019"),
        ("subject_icc", "Shrout 1979"),
        ("subject_ccc", "Lin 1989"),
        ("planted_feature_agreement", "Lin 1989"),
        ("planted_feature_icc", "Shrout 1979"),
        ("planted_feature_bias_size", "Bland 1986"),
        ("site_bias", "Bland 1986"),
        ("site_energy_distance", "Székely 2013"),
    ],
)
def test_metrics_call_for_their_works(metric: str, work: str) -> None:
    with_it = [w.short for w in citations(Scorecard((replace(SCORE, metric=metric),)), {}, {})]
    without = [w.short for w in citations(Scorecard((SCORE,)), {}, {})]
    assert work in with_it
    assert without == ["Benjamini 1995"]


def test_bibtex_has_one_whole_entry_a_work() -> None:
    text = bibliography(list(WORKS))
    entries = re.findall(r"^@(\w+)\{([^,]+),\n((?:  \w+ = \{.*\},?\n)+)\}$", text, re.MULTILINE)
    assert len(entries) == len(WORKS) == len({key for _, key, _ in entries})
    assert all(key.isascii() for _, key, _ in entries)
    for _, _, fields in entries:
        assert {"author", "title", "year"} <= set(re.findall(r"^  (\w+) =", fields, re.MULTILINE))
        assert fields.count("{") == fields.count("}")
    assert "author = {Johnson, W. E. and Li, C. and Rabinovic, A.}" in text
    assert "pages = {118--127}" in text
    assert "author = {van Griethuysen, J. J. M. and others}" in text


def test_methods_name_further_measures_with_their_works() -> None:
    scores = (replace(SCORE, metric="site_permanova_r2"), replace(SCORE, metric="site_novelty"))
    (text,) = [t for t in methods_text(Scorecard(scores), {}) if "PERMANOVA" in t]
    assert text == (
        "The distance between sites over all features was measured: PERMANOVA R² (Anderson 2001)."
    )
