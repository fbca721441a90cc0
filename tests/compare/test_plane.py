"""The plane of removal and preservation, and signs of over-harmonization."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonize_kit.compare.over_harmonization import over_harmonization
from harmonize_kit.compare.plane import describe_plane, pareto_front, plane
from harmonize_kit.core.scorecard import Null, Score

NULL = Null(0.25, 0.2, 0.3, 0.02)


def site(name: str, linear: float, nonlinear: float) -> list[Score]:
    return [
        Score(
            name,
            "site",
            f"site_balanced_accuracy_{kind}",
            "site",
            value,
            higher_is_better=False,
            interval=(value - 0.05, value + 0.05),
            null=NULL,
        )
        for kind, value in (("linear", linear), ("nonlinear", nonlinear))
    ]


def kept(name: str, value: float, target: str = "age") -> Score:
    return Score(
        name, "biology", "effect_concordance", target, value, higher_is_better=True,
        interval=(value - 0.1, value + 0.1),
    )  # fmt: skip


def test_the_worse_probe_and_the_mean_over_covariates_make_the_position():
    scores = [*site("raw", 0.4, 0.7), kept("raw", 0.9), kept("raw", 0.5, "sex")]
    (position,) = plane(scores)
    assert position.removal == pytest.approx(1 - (0.7 - 0.25) / 0.75)
    assert position.removal_interval == pytest.approx((1 - 0.5 / 0.75, 1 - 0.4 / 0.75))
    assert position.preservation == pytest.approx(0.7)
    assert position.preservation_interval == pytest.approx((0.6, 0.8))


def test_below_chance_is_not_better_than_at_chance():
    scores = [
        *site("under", 0.05, 0.1),
        kept("under", 0.8),
        *site("at", 0.25, 0.25),
        kept("at", 0.8),
    ]
    assert [position.removal for position in plane(scores)] == [1, 1]


def test_one_axis_alone_gives_no_position():
    assert plane(site("raw", 0.4, 0.7)) == []
    assert describe_plane([kept("destroyed", 0.0)]) == {}


def test_the_front_holds_what_no_other_beats():
    points = [(0.2, 0.9), (0.8, 0.8), (0.7, 0.7), (1.0, 0.1), (0.8, 0.8)]
    assert pareto_front(points) == [True, True, False, True, True]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
def test_a_front_is_never_empty_and_its_points_do_not_dominate_each_other(
    points: list[tuple[float, float]],
):
    front = [point for point, on in zip(points, pareto_front(points), strict=True) if on]
    assert front
    for one in front:
        for other in front:
            assert not (other != one and other[0] >= one[0] and other[1] >= one[1])


def test_signs_of_over_harmonization_are_named_against_the_first():
    scores = [
        *site("raw", 0.9, 0.9), kept("raw", 0.9), *site("forced", 0.1, 0.3), kept("forced", 0.85),
        *site("erased", 0.25, 0.25), kept("erased", 0.2),
    ]  # fmt: skip
    found = over_harmonization(scores)
    assert len(found) == 2
    assert "'forced'" in found[0]
    assert "no better than chance" in found[0]
    assert "'erased': 'age' is weaker than in 'raw'" in found[1]
    assert over_harmonization([]) == []
