"""The proof that no subject that networks are trained on is judged as well."""

from __future__ import annotations

from collections.abc import Iterable

from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.core.table import BLANK
from harmonize_kit.errors import TableError
from harmonize_kit.flows.split_input import SESSION, SUBJECT
from harmonize_kit.storage.identity import find_column

COLUMNS = (SUBJECT, "subject_id", "participant_id", "participant", "patient_id", "patient")
NAMED = 3


def require_apart(cohort: Cohort, split: str, trained: Iterable[str]) -> tuple[str, ...]:
    """Return notes on what could not be proved of subjects, once none is on both sides.

    Subjects are told by a column ``subject`` (or of another common name) or, without one, by ids
    such as ``sub-01_ses-2``. Where there is neither, each case may be a subject of its own.

    Parameters
    ----------
    cohort : Cohort
    split : str
        The column that says what each case is for.
    trained : iterable of str
        Ids of the cases to train on.

    Raises
    ------
    TableError
        If a subject has cases to train on and others; subjects are named.
    """
    column = next((c for c in (find_column(cohort.columns, n) for n in COLUMNS) if c), None)
    if column is None and not any(SESSION.match(case.id) for case in cohort):
        return (
            f"whether the same subject is trained on and judged could not be proved: the table has "
            f"no column of subjects ({', '.join(COLUMNS)}), so each case counts as one of its own",
        )
    own, chosen = set(trained), dict[str, list[Case]]()
    for case in cohort:
        chosen.setdefault(_subject(case, column), []).append(case)
    unknown = chosen.pop("", [])
    torn = {
        subject: [next(c for c in cases if (c.id in own) == side) for side in (True, False)]
        for subject, cases in chosen.items()
        if {case.id in own for case in cases} == {True, False}
    }
    if torn:
        problems = [
            f"{cohort.source}: subject '{subject}' is to be trained on (case '{one.id}') and is "
            f"'{other.columns[split].strip()}' as well (case '{other.id}')"
            for subject, (one, other) in torn.items()
        ]
        more = f" and {len(torn) - NAMED} more subjects" if len(torn) > NAMED else ""
        raise TableError(
            f"{'; '.join(problems[:NAMED])}{more}; who was trained on cannot be judged: split by "
            f"subject ('harmonize-kit split' does), or leave these cases out",
            problems,
        )
    if unknown:
        return (
            f"{len(unknown)} cases name no subject in '{column}', the first '{unknown[0].id}': "
            "whether they are of someone who is trained on could not be proved",
        )
    return ()


def _subject(case: Case, column: str | None) -> str:
    if column is not None:
        told = case.columns[column].strip()
        return "" if told in BLANK else told
    session = SESSION.match(case.id)
    return session[1] if session else case.id
