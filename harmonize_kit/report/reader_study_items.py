"""Which images a reader study shows, in what order, under which code; and the key to it.

Single images come first, pairs after them: who has seen two versions side by side no longer looks
at either with fresh eyes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from harmonize_kit.config.reader_study import ReaderStudyConfig
from harmonize_kit.errors import InputError

SINGLE, PAIR = "single", "pair"
KEY_COLUMNS = (
    "study", "item", "kind", "candidate", "against", "left", "case", "subject", "repeat_of"
)  # fmt: skip
_LETTERS = "bcdfghjkmnpqrstvwxz"  # no vowel: codes spell no word
_TRIES = 400


@dataclass(frozen=True)
class StudyItem:
    """What is shown once: an image alone, or two of one case side by side.

    Parameters
    ----------
    code : str
        Random; all the reader sees of it.
    kind : str
        ``single`` or ``pair``.
    case, candidate : str
    against : str
        The first candidate, which the others are held against; empty for itself.
    left : str
        Of a pair, the candidate that lies left.
    repeat_of : str
        Code of the item that shows the same, where this is its second showing.
    """

    code: str
    kind: str
    case: str
    candidate: str
    against: str = ""
    left: str = ""
    repeat_of: str = ""

    @property
    def shown(self) -> tuple[str, ...]:
        """Candidates from left to right."""
        if self.kind == SINGLE:
            return (self.candidate,)
        right = self.against if self.left == self.candidate else self.candidate
        return self.left, right


def draw_items(
    cases: Mapping[str, Sequence[str]], sites: Mapping[str, str], config: ReaderStudyConfig
) -> tuple[StudyItem, ...]:
    """Draw cases, repeats, sides, codes and the order in which items are shown.

    Cases that more candidates have come first, since only they can be compared within; among
    them, sites take turns. The two showings of an item stand at least a third of their block
    apart where that can be had, and items of one case are kept from following each other.

    Parameters
    ----------
    cases : mapping of str to sequence of str
        Ids by candidate; the first candidate is the state before.
    sites : mapping of str to str
        Site by case id, as far as known.
    config : ReaderStudyConfig

    Raises
    ------
    InputError
        If a candidate has no case, or fewer than are asked for.
    """
    for name, ids in cases.items():
        if len(ids) < (config.cases or 1):
            raise InputError(
                f"reader study: expected {config.cases or 1} cases of '{name}', got {len(ids)}; "
                "ask for fewer (--cases), or leave the candidate out"
            )
    rng = np.random.default_rng([config.seed, 7])
    ranked = _ranked(cases, sites, rng)
    singles, pairs = _of_size(cases, ranked, config)
    blocks = [_with_repeats(block, config.repeat, rng) for block in (singles, pairs)]
    codes = _codes(sum(map(len, blocks)), rng)
    found: list[StudyItem] = []
    for block in blocks:
        named = [(item, original, codes.pop()) for item, original in block]
        code_of = [code for _, _, code in named]
        found += _arranged(
            [
                replace(item, code=code, repeat_of="" if first is None else code_of[first])
                for item, first, code in named
            ],
            rng,
        )
    return tuple(found)


def key_rows(
    study: str, items: Sequence[StudyItem], subjects: Mapping[str, str]
) -> list[dict[str, str]]:
    """Return the rows of ``key.csv``, one an item, in an order that tells nothing."""
    rows = [
        {
            "study": study, "item": item.code, "kind": item.kind, "candidate": item.candidate,
            "against": item.against, "left": item.left, "case": item.case,
            "subject": subjects.get(item.case, item.case), "repeat_of": item.repeat_of,
        }
        for item in items
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["item"])


def _ranked(
    cases: Mapping[str, Sequence[str]], sites: Mapping[str, str], rng: np.random.Generator
) -> list[str]:
    """Return all cases: those of more candidates first, sites in turns, else by chance."""
    counts: dict[str, int] = {}
    for ids in cases.values():
        for case in ids:
            counts[case] = counts.get(case, 0) + 1
    shuffled = [str(case) for case in rng.permutation(sorted(counts))]
    met: dict[tuple[int, str], int] = {}
    turn: dict[str, int] = {}
    for case in shuffled:
        stratum = (counts[case], sites.get(case, ""))
        turn[case] = met[stratum] = met.get(stratum, -1) + 1
    return sorted(shuffled, key=lambda case: (-counts[case], turn[case]))


def _of_size(
    cases: Mapping[str, Sequence[str]], ranked: Sequence[str], config: ReaderStudyConfig
) -> tuple[list[StudyItem], list[StudyItem]]:
    """Return the items of the number of cases asked for, or of as many as keep to the limit."""
    if config.cases is not None:
        return _items(cases, ranked, config, config.cases)
    found = _items(cases, ranked, config, 1)
    for number in range(2, max(map(len, cases.values())) + 1):
        more = _items(cases, ranked, config, number)
        if sum(len(block) + _repeats(len(block), config.repeat) for block in more) > config.items:
            break
        found = more
    return found


def _items(
    cases: Mapping[str, Sequence[str]],
    ranked: Sequence[str],
    config: ReaderStudyConfig,
    number: int,
) -> tuple[list[StudyItem], list[StudyItem]]:
    first = next(iter(cases))
    chosen: dict[str, list[str]] = {}
    for name, ids in cases.items():
        own = set(ids)
        chosen[name] = [case for case in ranked if case in own][:number]
    singles = [
        StudyItem("", SINGLE, case, name, "" if name == first else first)
        for name, own in chosen.items()
        for case in own
    ]
    if not (config.pairs and config.about(PAIR)):
        return singles, []
    pairs = [
        StudyItem("", PAIR, case, name, first)
        for name, own in chosen.items()
        for case in own
        if name != first and case in set(chosen[first])
    ]
    return singles, pairs


def _with_repeats(
    block: Sequence[StudyItem], share: float, rng: np.random.Generator
) -> list[tuple[StudyItem, int | None]]:
    """Return the items, each with None, and some once more with the place of the first showing.

    Sides are drawn evenly, and changed when a pair is shown again, so that a liking for one side
    is not taken for one of a candidate.
    """
    sided = list(block)
    for turn, place in enumerate(_order(len(sided), rng)):
        item = sided[place]
        if item.kind == PAIR:
            left = item.candidate if turn % 2 else item.against
            sided[place] = replace(item, left=left)
    by_candidate: dict[str, int] = {}
    turns: list[tuple[int, int]] = []
    for place in _order(len(sided), rng):
        name = sided[place].candidate
        by_candidate[name] = by_candidate.get(name, -1) + 1
        turns.append((by_candidate[name], place))
    again = [place for _, place in sorted(turns, key=lambda pair: pair[0])]
    first: list[tuple[StudyItem, int | None]] = [(item, None) for item in sided]
    return first + [
        (replace(sided[place], left=sided[place].shown[-1] if sided[place].left else ""), place)
        for place in again[: _repeats(len(sided), share)]
    ]


def _order(n: int, rng: np.random.Generator) -> list[int]:
    return [int(place) for place in rng.permutation(n)]


def _repeats(n: int, share: float) -> int:
    return min(n, max(1, math.floor(share * n + 0.5))) if share and n else 0


def _arranged(items: Sequence[StudyItem], rng: np.random.Generator) -> list[StudyItem]:
    """Return the best of many shuffles."""
    best, least = list(items), math.inf
    for _ in range(_TRIES):
        tried = [items[place] for place in _order(len(items), rng)]
        place_of = {item.code: place for place, item in enumerate(tried)}
        near = sum(a.case == b.case for a, b in pairwise(tried))
        for item in tried:
            if item.repeat_of:
                gap = abs(place_of[item.code] - place_of[item.repeat_of])
                near += max(0, len(tried) // 3 - gap)
        if near < least:
            best, least = tried, near
    return best


def _codes(count: int, rng: np.random.Generator) -> list[str]:
    codes: dict[str, None] = {}
    while len(codes) < count:
        codes["".join(rng.choice(list(_LETTERS), 6))] = None
    return list(codes)
