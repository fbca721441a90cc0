"""The log file of a run: timestamped lines that name no one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from harmonize_kit.execution import Failed
from harmonize_kit.storage.results import owner_of


class RunLog:
    """Lines about the cases of one run, ``preprocess_<time>.log`` in the output folder.

    Cases are called by their row in the cohort and by the digest their keys begin with, so that
    the file can be shown to others; ids, paths and messages are in failures.csv and manifest.csv.
    The file appears with its first line: a run that has nothing to do leaves none.

    Parameters
    ----------
    folder : Path
    rows : mapping of str to int
        Row of each case in the cohort, from 1 on, by id.
    """

    def __init__(self, folder: Path, rows: Mapping[str, int]) -> None:
        self.rows = rows
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.path = folder / f"preprocess_{now}.log"
        self._handler = logging.FileHandler(self.path, encoding="utf-8", delay=True)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        # A logger of its own, not in the tree of names: others' words may tell who a case is.
        self._logger = logging.Logger("preprocess", logging.INFO)
        self._logger.addHandler(self._handler)

    def say(self, text: str) -> None:
        """Write a line that names no case."""
        self._logger.info(text)

    def done(self, case_id: str, made: Sequence[tuple[str, str, float, float]]) -> None:
        """Write what was done of a case."""
        steps = ", ".join(f"{name} {seconds:.2f} s" for name, _, seconds, _ in made)
        self._logger.info("%s done: %s", self._name(case_id), steps or "nothing was left to do")

    def failed(self, outcome: Failed) -> None:
        """Write at which step and why a case failed, by the reason code."""
        self._logger.error(
            "%s failed at %s: %s", self._name(outcome.id), outcome.stage, outcome.code
        )

    def tell_end(self, classes: Mapping[str, Mapping[str, int]], *, touched: bool) -> None:
        """Write the counts of the run; nothing where nothing was done."""
        if touched:
            for name, counts in classes.items():
                told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
                self.say(f"{f'class {name}' if name else 'cases'}: {told}")

    def close(self) -> None:
        """Close the file."""
        self._handler.close()

    def _name(self, case_id: str) -> str:
        return f"case {owner_of(case_id)} (row {self.rows[case_id]})"
