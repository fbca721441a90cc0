"""The cases of a run, worked through: what is kept stays, what is new is done, all is noted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol, TypedDict, TypeVar

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.execution import Done, Failed, map_cases
from harmonize_kit.flows.output_folder import JOURNAL, remove_products, writing
from harmonize_kit.provenance import Journal
from harmonize_kit.storage.results import ResultStore

logger = logging.getLogger(__name__)


class NotedWork(Protocol):
    """Work whose worker may write to the journal; where it has none, the driver does."""

    @property
    def journal(self) -> str | None:
        """Path of the journal, if the worker may write to it."""
        ...


class KeyedResult(TypedDict):
    """The key of a result, and whether it was made now."""

    key: str
    computed: bool


Work = TypeVar("Work", bound=NotedWork)
Result = TypeVar("Result", bound=KeyedResult)


def work_through(
    function: Callable[[Work], Result],
    works: Mapping[str, Work],
    kept: Mapping[str, str],
    folder: Path,
    execution: ExecutionConfig,
    *,
    key_of: Callable[[Work], str],
    products: Sequence[str],
    progress: Callable[[Done[Result] | Failed | None, int, int], None],
) -> tuple[dict[str, str], dict[str, Failed], int]:
    """Do what is not kept; return keys, failures, and how many cases were done now.

    Parameters
    ----------
    function : callable
        What is done with one case.
    works : mapping of str to work
        By id.
    kept : mapping of str to str
        Key of each case that is done already.
    folder : Path
        Of the journal, the products and the failures that other shards are to know of.
    execution : ExecutionConfig
    key_of : callable
        Returns the key of a case; empty where its files cannot be read.
    products : sequence of str
        Files that an earlier run may have left; they go once a case is done that they do not
        know of.
    progress : callable
        Told each outcome, and how many of how many are done.

    Raises
    ------
    OutputError
        If the folder takes no more; what is done is kept.
    """
    journal, failures = Journal(folder / JOURNAL), ResultStore(folder / "failures")
    pending = [item for item in works.items() if item[0] not in kept]
    keys, failed, computed = dict(kept), dict[str, Failed](), 0

    def note_retry(case_id: str) -> None:
        logger.warning("the worker of case %s died; trying once more", case_id)
        with writing(folder):
            journal.write(case_id, key_of(works[case_id]), "retried")

    progress(None, len(kept), len(works))
    with closing(map_cases(function, pending, execution, on_retry=note_retry)) as outcomes:
        for number, outcome in enumerate(outcomes, start=1):
            with writing(folder):
                if number == 1:
                    remove_products(folder, products)
                if isinstance(outcome, Failed):
                    failed[outcome.id] = outcome
                    key = key_of(works[outcome.id])
                    journal.write(outcome.id, key, "failed", code=outcome.code)
                    if key and execution.shard is not None:
                        document = {"code": outcome.code, "message": outcome.message}
                        failures.write(key, {"id": outcome.id, **document})
                else:
                    keys[outcome.id] = outcome.value["key"]
                    computed += outcome.value["computed"]
                    if outcome.value["computed"] and works[outcome.id].journal is None:
                        seconds = round(outcome.seconds, 3)
                        journal.write(outcome.id, keys[outcome.id], "done", seconds=seconds)
            progress(outcome, len(kept) + number, len(works))
    with writing(folder):
        done = journal.done()
        for case_id, key in keys.items():
            journal.make_up(case_id, key, done)
    return keys, failed, computed
