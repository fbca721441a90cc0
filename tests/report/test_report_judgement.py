from dataclasses import replace

import pytest

from harmonize_kit.core.scorecard import Null, Score, Scorecard
from harmonize_kit.report.drawing.prediction import draw_site_prediction
from harmonize_kit.report.judgement import (
    Change,
    Standing,
    change,
    change_against_chance,
    standing,
    strongest,
)
from harmonize_kit.report.tables import comparison_table
from harmonize_kit.report.verdict import cannot_show, verdict

ABOUT = {"sites": {"A": 50, "B": 50, "C": 50, "D": 50}, "n_cases": 200}
ACCURACY = Score("raw", "site", "site_balanced_accuracy_linear", "site", 0.8, False, (0.75, 0.85))
NULL = Null(0.25, 0.2, 0.3, 0.001)


BELOW = "below chance, which is no better: a correction fitted to the judged cases does this"


def accuracy(candidate, value, p=0.001, kind="linear", half=0.03):
    return Score(
        candidate,
        "site",
        f"site_balanced_accuracy_{kind}",
        "site",
        value,
        False,
        (value - half, value + half),
        replace(NULL, p=p),
    )


def biology(candidate, value, metric="r2", target="age", half=0.05, p=0.001):
    null = Null({"auc": 0.5}.get(metric, 0.0), -0.1, 0.1, p)
    interval = (value - half, value + half)
    return Score(candidate, "biology", metric, target, value, True, interval, null)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (replace(ACCURACY, null=NULL), Standing.ABOVE),
        (replace(ACCURACY, null=replace(NULL, p=0.14)), Standing.ABOVE),
        (replace(ACCURACY, value=0.29, null=NULL), Standing.NOT_SHOWN),
        (replace(ACCURACY, value=0.3, null=NULL), Standing.NOT_SHOWN),
        (replace(ACCURACY, value=0.2, null=NULL), Standing.NOT_SHOWN),
        (replace(ACCURACY, value=0.19, null=replace(NULL, p=0.14)), Standing.BELOW),
        (replace(ACCURACY, value=0.1, null=NULL), Standing.BELOW),
        (ACCURACY, Standing.ABOVE),
        (replace(ACCURACY, interval=(0.2, 0.3)), Standing.NOT_SHOWN),
        (replace(ACCURACY, interval=(0.1, 0.2)), Standing.BELOW),
        (replace(ACCURACY, interval=None), Standing.UNKNOWN),
        (replace(ACCURACY, null=replace(NULL, p=float("nan"))), Standing.ABOVE),
        (replace(ACCURACY, null=replace(NULL, low=float("nan"))), Standing.UNKNOWN),
        (replace(ACCURACY, value=float("nan"), null=NULL), Standing.UNKNOWN),
        (replace(ACCURACY, metric="something_else"), Standing.UNKNOWN),
    ],
)
def test_standing(score, expected):
    assert standing(score, ABOUT) is expected


def test_chance_is_unknown_without_null_and_sites():
    assert standing(ACCURACY, {}) is Standing.UNKNOWN


@pytest.mark.parametrize(
    ("interval", "higher", "expected"),
    [
        ((0.6, 0.74), False, Change.BETTER),
        ((0.6, 0.74), True, Change.WORSE),
        ((0.86, 0.9), False, Change.WORSE),
        ((0.86, 0.9), True, Change.BETTER),
        ((0.7, 0.75), False, Change.NOT_SHOWN),
        ((float("nan"), float("nan")), False, Change.UNKNOWN),
        (None, False, Change.UNKNOWN),
    ],
)
def test_change_needs_intervals_apart(interval, higher, expected):
    before = replace(ACCURACY, higher_is_better=higher)
    assert change(before, replace(before, interval=interval)) is expected


def test_one_classifier_above_chance_speaks_for_the_candidate():
    mild = accuracy("combat", 0.29)
    telling = accuracy("combat", 0.31, p=0.14, kind="nonlinear")
    assert strongest([mild, telling], ABOUT) == (telling, Standing.ABOVE)


def test_of_two_classifiers_above_chance_the_better_speaks():
    scores = [accuracy("raw", 0.6), accuracy("raw", 0.8, kind="nonlinear")]
    assert strongest(scores, ABOUT)[0].value == 0.8
    assert strongest(scores[::-1], ABOUT)[0].value == 0.8


def test_site_gone_is_said_as_not_shown():
    card = Scorecard((accuracy("raw", 0.8), accuracy("combat", 0.27, p=0.4)), about=ABOUT)
    (answer,) = verdict(card)
    assert "0.80" in answer.before
    assert "the site can be told" in answer.before
    ((name, sentence),) = answer.after
    assert name == "combat"
    assert "not shown to differ from chance" in sentence
    assert "less than in raw" in sentence


def test_overlapping_intervals_are_no_difference():
    card = Scorecard((accuracy("raw", 0.8), accuracy("combat", 0.77)), about=ABOUT)
    assert "no difference from raw shown" in verdict(card)[0].after[0][1]


def test_below_chance_is_not_better_than_chance():
    card = Scorecard((accuracy("raw", 0.8), accuracy("odd", 0.1)), about=ABOUT)
    sentence = verdict(card)[0].after[0][1]
    assert sentence.endswith(f"permuted sites give 0.20 to 0.30): {BELOW}.")
    assert "less than" not in sentence


def share(candidate, value, p=0.005):
    null = Null(0.035, 0.014, 0.079, p)
    interval = (value * 0.8, value * 1.2)
    metric = "site_partial_eta_squared_median"
    return Score(candidate, "site", metric, "site", value, False, interval, null)


@pytest.mark.parametrize("make", [accuracy, share])
@pytest.mark.parametrize(
    ("place", "mark"),
    [
        (-0.1, "below chance, which is no better"),
        (0.0, "✓ better"),
        (0.5, "✓ better"),
        (1.0, "✓ better"),
        (1.2, "✓ better"),
    ],
)
@pytest.mark.parametrize("p", [0.01, 0.14, 0.6])
def test_less_of_the_site_is_better_down_to_chance(make, place, mark, p):
    null = make("x", 0.2).null
    value = (1 - place) * null.low + place * null.high
    card = Scorecard((make("raw", 0.8), make("x", value, p)), about=ABOUT)
    table = comparison_table(card)
    cell = table.rows[0][2]
    assert cell.mark == mark
    assert cell.tone == ("good" if "✓" in mark else "")
    assert any(BELOW.lower() in note.lower() for note in table.notes) is (place < 0)
    found, sentence = verdict(card)[0].question, verdict(card)[0].after[0][1]
    assert (BELOW in sentence) is (place < 0)
    assert ("not shown to differ from chance" in sentence) is (0 <= place <= 1)
    told = "the site can be told" if "told" in found else "a site effect is found"
    assert (told in sentence) is (place > 1)
    assert ("less than in raw" in sentence) is (place >= 0)


def test_coming_back_from_below_chance_is_no_loss():
    before = accuracy("raw", 0.02)
    assert change_against_chance(before, accuracy("x", 0.25), ABOUT) is Change.UNKNOWN
    assert change_against_chance(before, accuracy("x", 0.6), ABOUT) is Change.WORSE
    marks = comparison_table(Scorecard((before, accuracy("x", 0.25)), about=ABOUT)).rows[0]
    assert [cell.mark for cell in marks[1:]] == ["below chance, which is no better", ""]


def test_an_error_below_its_null_may_be_better():
    raw = Score("raw", "biology", "mae", "age", 9.0, False, (8.5, 9.5), Null(12, 11, 13, 0.01))
    after = replace(raw, candidate="x", value=7.0, interval=(6.5, 7.5))
    assert comparison_table(Scorecard((raw, after), about=ABOUT)).rows[0][2].mark == "✓ better"


def test_figure_speaks_of_the_band_as_the_verdict_does():
    picture = draw_site_prediction(Scorecard((accuracy("raw", 0.8),), about=ABOUT))
    assert picture is not None
    for words in ("the site can be told", "not shown to differ from chance", BELOW):
        assert words in picture.caption


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (biology("raw", 0.4), biology("x", 0.42), "no loss shown for age"),
        (biology("raw", 0.4), biology("x", 0.1), "lost in part or whole for age"),
        (biology("raw", 0.2), biology("x", 0.5), "a gain or an artefact"),
        (
            biology("raw", 0.01, p=0.5),
            biology("x", 0.02, p=0.6),
            "not detected before or after for age",
        ),
        (biology("raw", 0.4), replace(biology("x", 0.4), interval=None), "not judged"),
    ],
)
def test_fate_of_biology(before, after, expected):
    (answer,) = verdict(Scorecard((before, after), about=ABOUT))
    assert expected in answer.after[0][1]


def test_lost_and_kept_targets_are_told_apart():
    card = Scorecard(
        (
            biology("raw", 0.4),
            biology("raw", 0.7, "auc", "sex"),
            biology("x", 0.1),
            biology("x", 0.71, "auc", "sex"),
        ),
        about=ABOUT,
    )
    sentence = verdict(card)[0].after[0][1]
    assert sentence.index("lost") < sentence.index("age") < sentence.index("no loss shown")
    assert "sex (AUC 0.71" in sentence


def test_biology_that_was_not_there_is_not_called_shown():
    (answer,) = verdict(Scorecard((biology("raw", 0.01, p=0.5),), about=ABOUT))
    assert "not shown to differ from chance" in answer.before


def test_share_of_site_is_held_against_its_null():
    scores = (share("raw", 0.2, 0.005), share("combat", 0.03, 0.4), share("odd", 0.002, 0.01))
    (answer,) = verdict(Scorecard(scores, about=ABOUT))
    assert (
        "0.200 (95 % interval 0.160 to 0.240; permuted sites give 0.014 to 0.079)" in answer.before
    )
    assert answer.before.endswith("a site effect is found.")
    assert answer.after[0][1].endswith("not shown to differ from chance; less than in raw.")
    assert answer.after[1][1].endswith(f"{BELOW}.")


def test_limits_name_the_size_where_it_is_known():
    assert "200 cases from 4 sites" in cannot_show(ABOUT)
    assert "cannot show that no site effect is left" in cannot_show({})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.9, Change.BELOW), (0.75, Change.BETTER), (0.55, Change.BETTER), (0.28, Change.NOT_SHOWN)],
)
def test_where_more_is_less_of_the_site_chance_lies_above(value, expected):
    """Cases that mix better than exchanged ones are no better mixed."""
    null = Null(0.75, 0.7, 0.8, 0.01)
    before = Score("raw", "site", "site_ilisi", "site", 0.3, True, (0.25, 0.35), null)
    after = replace(before, candidate="x", value=value, interval=(value - 0.04, value + 0.04))
    assert change_against_chance(before, after, ABOUT) is expected
