import math
from pathlib import Path

import pytest

from harmonize_kit.report.metrics import METRICS
from harmonize_kit.report.text import (
    MISSING,
    fixed,
    fixed_share,
    listed,
    p_value,
    percent,
    shown,
    significant,
    trimmed,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Zürich 医院", "Zürich 医院"),
        ("a\nb\tc", r"a\nb\tc"),
        ("a\x00b", r"a\x00b"),
        ("right\u202eleft", r"right\u202eleft"),
        ("\u2066isolate\u2069", r"\u2066isolate\u2069"),
        ("half\ud800", r"half\ud800"),
        ("क\u200dष", "क\u200dष"),
        (7, "7"),
    ],
)
def test_names_keep_their_letters_and_lose_their_powers(name, expected):
    assert shown(name) == expected


def test_long_names_are_cut_with_a_sign_of_it():
    assert shown("abcdefghij", 6) == "abcde…"
    assert shown("abcdef", 6) == "abcdef"


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0.25, 3, "0.250"),
        (-0.25, 2, "\N{MINUS SIGN}0.25"),
        (0.0004, 3, "0.000"),
        (-0.0004, 3, "0.000"),
        (0.0, 3, "0.000"),
        (math.nan, 2, MISSING),
        (None, 2, MISSING),
        (math.inf, 2, MISSING),
    ],
)
def test_fixed(value, decimals, expected):
    assert fixed(value, decimals) == expected


def test_other_numbers():
    assert fixed_share(0.0004) == "<0.001"
    assert fixed_share(0.0) == "0.000"
    assert percent(0.0002) == "<0.1\u202f%"
    assert percent(0.0) == "0\u202f%"
    assert significant(8.4) == "8.40"
    assert significant(12345.6) == "12,346"
    assert significant(1.5e-7) == "1.50e\N{MINUS SIGN}07"
    assert significant(0) == "0"
    assert trimmed(0.05) == "0.05"
    assert trimmed(-12.0) == "\N{MINUS SIGN}12"
    assert trimmed(1200) == "1,200"
    assert percent(0.934) == "93\u202f%"
    assert percent(0.004) == "0.4\u202f%"
    assert p_value(0.0001) == "p < 0.001"
    assert p_value(0.004) == "p = 0.004"
    assert p_value(0.31) == "p = 0.31"
    assert p_value(math.nan) == f"p {MISSING}"


def test_lists_are_sentences():
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_every_metric_says_what_it_is_and_what_chance_gives():
    promised = {
        "site_partial_eta_squared_median",
        "site_significant_fraction",
        "site_balanced_accuracy_linear",
        "site_balanced_accuracy_nonlinear",
        "association_median",
        "association_significant_fraction",
        "r2",
        "mae",
        "auc",
    }
    assert promised <= METRICS.keys()
    assert all(metric.label and metric.meaning for metric in METRICS.values())
    assert all(METRICS[name].chance for name in promised)


def test_the_guide_names_every_metric():
    guide = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    assert [name for name in METRICS if f"`{name}`" not in guide] == []
