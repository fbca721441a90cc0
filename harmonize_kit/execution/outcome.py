"""What becomes of one case: a value, or a failure with its reason."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from threadpoolctl import ThreadpoolController

from harmonize_kit.errors import CaseError, HarmonizeError, StageError

Item = TypeVar("Item")
Result = TypeVar("Result")
logger = logging.getLogger(__name__)

# How the libraries in C++ say that memory does not suffice.
NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "Cannot allocate memory")


@dataclass(frozen=True)
class Done(Generic[Result]):
    """A case that succeeded; ``seconds`` is wall time on its worker."""

    id: str
    value: Result
    seconds: float


@dataclass(frozen=True)
class Failed:
    """A case that failed, with the reason code and message of ``failures.csv``.

    ``stage`` is where it failed, of cases that go through several; empty where that is not known.
    """

    id: str
    code: str
    message: str
    seconds: float = 0.0
    stage: str = ""


def run_one(function: Callable[[Any], Result], case_id: str, item: Any) -> Done[Result] | Failed:
    """Run ``function`` on one item, on one thread, and return what became of it.

    This is the one place that catches every exception: whatever happens to a case, the others go
    on, and the reason is recorded.

    Raises
    ------
    HarmonizeError
        What is not the case's fault (the output cannot be written, a worker has other versions)
        ends the run.
    """
    start = time.perf_counter()
    try:
        with _threadpools().limit(limits=1):
            value = function(item)
    except Exception as error:
        if isinstance(error, HarmonizeError) and not isinstance(error, CaseError):
            raise
        logger.debug("case %s failed", case_id, exc_info=True)
        code, message = _reason(error)
        stage = error.stage if isinstance(error, StageError) else ""
        return Failed(case_id, code, message, time.perf_counter() - start, stage)
    return Done(case_id, value, time.perf_counter() - start)


def _reason(error: Exception) -> tuple[str, str]:
    if _lacks_memory(error):
        return (
            "OUT_OF_MEMORY",
            "the memory of the worker did not suffice; crop the image, or give each worker more "
            "(--memory-per-worker, fewer workers)",
        )
    if isinstance(error, CaseError):
        return error.code, error.message
    return "EXTRACTION", f"{type(error).__name__}: {error}"


def _lacks_memory(error: BaseException | None) -> bool:
    """Tell whether memory was the reason, whatever the error was translated to since."""
    while error is not None:
        if isinstance(error, MemoryError) or any(text in str(error) for text in NO_MEMORY):
            return True
        error = error.__cause__
    return False


@lru_cache(maxsize=1)
def _threadpools() -> Any:
    """Find the BLAS and OpenMP libraries of the process once; that takes milliseconds."""
    return ThreadpoolController()
