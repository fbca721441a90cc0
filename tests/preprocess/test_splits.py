"""Assignment of subjects to parts: laws that hold for every cohort."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize_kit.config.split import SplitConfig
from harmonize_kit.errors import TableError
from harmonize_kit.preprocess.splits import assign_subjects
from harmonize_kit.preprocess.strata import levels

SHARES = (
    SplitConfig().shares,
    SplitConfig(fractions=(0.8, 0.2)).shares,
    SplitConfig(fractions=(0.5, 0.3, 0.2)).shares,
    SplitConfig(folds=5).shares,
)
# Enough subjects for a share of 15 %, in few strata and in many.
STRATA = st.lists(st.integers(0, 12), min_size=7, max_size=120).map(
    lambda codes: {f"s{number}": f"stratum {code}" for number, code in enumerate(codes)}
)


@settings(max_examples=60)
@given(STRATA, st.sampled_from(SHARES), st.integers(0, 2**31))
def test_every_part_gets_its_share_of_every_stratum_within_one_subject(
    strata: dict[str, str], shares: tuple[Fraction, ...], seed: int
) -> None:
    parts = assign_subjects(strata, shares, seed)
    assert set(parts) == set(strata)
    for name in [*set(strata.values()), None]:
        members = [subject for subject in strata if name in (strata[subject], None)]
        counts = Counter(parts[subject] for subject in members)
        for place, share in enumerate(shares):
            assert abs(counts[place] - len(members) * share) < 1
    assert set(parts.values()) == set(range(len(shares)))


@settings(max_examples=25)
@given(STRATA, st.randoms(use_true_random=False))
def test_the_order_of_subjects_makes_no_difference(strata: dict[str, str], random: object) -> None:
    names = list(strata)
    random.shuffle(names)  # type: ignore[attr-defined]
    shuffled = {name: strata[name] for name in names}
    assert assign_subjects(shuffled, SHARES[0], 3) == assign_subjects(strata, SHARES[0], 3)


def test_the_seed_decides_and_nothing_else() -> None:
    strata = {f"s{number}": "ab"[number % 2] for number in range(40)}
    drawn = [assign_subjects(strata, SHARES[0], seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    # The same on every machine and with every version of numpy and scipy.
    tested = sorted(name for name, part in drawn[0].items() if part == 2)
    assert tested == ["s13", "s15", "s16", "s22", "s36", "s9"]


def test_every_subject_has_the_same_chance() -> None:
    strata = {f"s{number}": "a" for number in range(10)}
    tested = Counter(
        name
        for seed in range(300)
        for name, part in assign_subjects(strata, (Fraction(4, 5), Fraction(1, 5)), seed).items()
        if part == 1
    )
    # 60 expected each, standard deviation 7.
    assert max(abs(tested[name] - 60) for name in strata) < 30


def test_too_few_subjects_say_how_many_are_needed() -> None:
    with pytest.raises(TableError, match="at least 7 subjects"):
        assign_subjects(dict.fromkeys("abcdef", ""), SHARES[0], 0)
    assert len(assign_subjects(dict.fromkeys("abcdefg", ""), SHARES[0], 0)) == 7


def test_numbers_are_classes_of_equally_many_groups_stay_groups() -> None:
    ages = {f"s{number}": [str(20 + number)] for number in range(40)}
    found = levels(ages, 4, categorical=False)
    assert set(Counter(found.of.values()).values()) == {10}
    assert len(found.edges) == 3
    assert found.of["s0"].startswith("below")
    assert len(set(levels(ages, 4, categorical=True).of.values())) == 40
    assert not levels({"a": ["1"], "b": ["2"], "c": ["1"]}, 4, categorical=False).edges
    assert levels({"a": ["007"]}, 4, categorical=False).of == {"a": "007"}


def test_a_traveller_is_a_level_of_its_own_and_visits_are_averaged() -> None:
    found = levels({"a": ["B", "A", "B"], "b": ["A"]}, 4, categorical=True)
    assert found.of == {"a": "A + B", "b": "A"}
    assert found.mixed == ("a",)
    visits = {f"s{number}": [str(number), str(number + 2)] for number in range(12)}
    assert levels(visits, 2, categorical=False).edges == (6.5,)


def test_ties_leave_fewer_classes() -> None:
    cells = {f"s{number}": [str(max(0, number - 30))] for number in range(40)}
    found = levels(cells, 4, categorical=False)
    assert all(edge > 0 for edge in found.edges)
    assert sum(Counter(found.of.values()).values()) == 40
