"""How cases are spread over processes or a cluster."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ExecutionConfig(BaseModel):
    """Where and how cases run.

    Parameters
    ----------
    workers : int or "auto"
        Processes on this machine, one thread each; "auto" takes the cores the process may use.
        One worker runs in the calling process.
    scheduler : str, optional
        Address of a running Dask scheduler (``tcp://host:8786``); then ``workers`` is its matter.
    memory_per_worker : str, optional
        Memory limit of each worker, such as ``"4GB"``; a worker that exceeds it is restarted.
    on_error : {"skip", "stop"}
        Whether the other cases go on when one fails.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int | Literal["auto"] = Field(default="auto")
    scheduler: str | None = None
    memory_per_worker: str | None = None
    on_error: Literal["skip", "stop"] = "skip"

    @field_validator("workers")
    @classmethod
    def _at_least_one(cls, workers: int | str) -> int | str:
        if isinstance(workers, int) and workers < 1:
            raise ValueError(f"expected a number of workers from 1 on, or 'auto', got {workers}")
        return workers

    @field_validator("memory_per_worker")
    @classmethod
    def _amount(cls, amount: str | None) -> str | None:
        if amount is not None and not re.fullmatch(r"\d+(\.\d+)?\s*[KMGT]i?B", amount):
            raise ValueError(f"expected an amount of memory such as 4GB or 512MiB, got '{amount}'")
        return amount
