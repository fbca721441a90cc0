"""Which cases are judged: not those that a candidate's maker was trained on.

A network, a template or a curve was fitted to some cases; on them it looks better than it is. What
``translate apply`` and ``extract`` write passes the column ``split`` on, so that a feature table
says itself which these are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harmonize_kit.core.shown import shown
from harmonize_kit.core.table import FeatureTable, as_text
from harmonize_kit.errors import TableError
from harmonize_kit.flows.translate_cohort import SPLIT, TRAIN
from harmonize_kit.storage.identity import find_column

EVERY = "all"


@dataclass(frozen=True)
class JudgedCases:
    """The cases that are judged, and why others are not.

    Parameters
    ----------
    ids : list of str
        In the order of the first table.
    left_out : mapping of str to int
        Number of cases by reason.
    warnings : tuple of str
        What a reader must know of the cases that stay.
    """

    ids: list[str]
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    warnings: tuple[str, ...] = ()


def judged_cases(
    tables: Mapping[str, FeatureTable], learned: Collection[str], split: Sequence[str] = ()
) -> JudgedCases:
    """Choose the cases to judge by the column ``split``.

    Parameters
    ----------
    tables : mapping of str to FeatureTable
        By candidate, all with the cases of the first.
    learned : collection of str
        Candidates whose maker was fitted to some cases. Their own word is taken for which; where
        none of them says it, that of the other tables.
    split : sequence of str
        Parts to judge, or ``all``. With none named, every part but ``train`` where anything
        learned, and otherwise all cases.

    Raises
    ------
    TableError
        If no case is left, or a part is named that no case is of.
    """
    ids = next(iter(tables.values())).ids
    if not learned and not split:
        return JudgedCases(ids)
    told = {name: parts for name, table in tables.items() if (parts := _parts(table))}
    silent = [name for name in learned if name not in told]
    if learned and not silent:
        told = {name: told[name] for name in learned}
    silent = silent if not told.keys() - set(learned) else []
    trained = {case for parts in told.values() for case, part in parts.items() if _is_train(part)}
    if split and tuple(split) != (EVERY,):
        return _named_parts(ids, told, split, trained, learned)
    if split:
        return JudgedCases(ids, warnings=(*_silent(silent), *_trained(trained, learned)))
    kept = [case for case in ids if case not in trained]
    if not kept:
        raise TableError(
            f"expected cases to judge that nothing was trained on, got only cases that column "
            f"'{SPLIT}' calls '{TRAIN}'; translate and measure held-out cases too, or judge these "
            "with --split all, knowing that their scores are too good"
        )
    left_out = {f"trained on: column '{SPLIT}' says '{TRAIN}'": len(ids) - len(kept)}
    return JudgedCases(kept, left_out if trained else {}, _silent(silent))


def cases_left_out(reasons: Mapping[str, int]) -> list[str]:
    """Return a sentence that says how many cases are not judged and why; none if all are."""
    counts = "; ".join(f"{count} {why}" for why, count in reasons.items())
    return [f"cases left out of judgement: {counts}"] if counts else []


def _named_parts(
    ids: Sequence[str],
    told: Mapping[str, Mapping[str, str]],
    split: Sequence[str],
    trained: Collection[str],
    learned: Collection[str],
) -> JudgedCases:
    known = sorted({part for parts in told.values() for part in parts.values()})
    for name in split:
        if name not in known:
            raise TableError(
                f"--split {name}: expected a part that column '{SPLIT}' names, got '{name}'; "
                + (f"there are {', '.join(map(shown, known))}" if known else "there is no such "
                   f"column; 'harmonize-kit split --column {SPLIT}' writes one")
            )  # fmt: skip
    kept = [case for case in ids if all(parts.get(case, "") in split for parts in told.values())]
    if not kept:
        raise TableError(
            f"--split {','.join(split)}: expected cases that every table says this of, got none; "
            f"compare their columns '{SPLIT}'"
        )
    left_out = {f"not of {', '.join(split)} in column '{SPLIT}'": len(ids) - len(kept)}
    warnings = _trained([case for case in kept if case in trained], learned)
    return JudgedCases(kept, left_out if len(kept) < len(ids) else {}, warnings)


def _parts(table: FeatureTable) -> dict[str, str]:
    """Return the part of each case by id; empty without such a column."""
    column = find_column([str(name) for name in table.covariates.columns], SPLIT)
    if column is None:
        return {}
    cells = (as_text(cell).strip() for cell in table.covariates[column].tolist())
    return dict(zip(table.ids, cells, strict=True))


def _is_train(part: str) -> bool:
    return part.lower() == TRAIN


def _silent(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    return (
        f"no table says, in a column '{SPLIT}', which cases the makers of "
        f"{_listed(names)} were trained on: if judged cases were among them, their scores are too "
        "good",
    )


def _trained(cases: Collection[str], learned: Collection[str]) -> tuple[str, ...]:
    if not cases or not learned:
        return ()
    return (
        f"{len(cases)} judged cases are ones that the makers of {_listed(list(learned))} were "
        "trained on: their scores are too good",
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"'{shown(name)}'" for name in names)
