"""What becomes of one case: a value, or a failure with its reason."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from harmonize_kit.errors import CaseError

Item = TypeVar("Item")
Result = TypeVar("Result")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done(Generic[Result]):
    """A case that succeeded; ``seconds`` is wall time on its worker."""

    id: str
    value: Result
    seconds: float


@dataclass(frozen=True)
class Failed:
    """A case that failed, with the reason code and message of ``failures.csv``."""

    id: str
    code: str
    message: str
    seconds: float = 0.0


def run_one(function: Callable[[Any], Result], case_id: str, item: Any) -> Done[Result] | Failed:
    """Run ``function`` on one item and return what became of it.

    This is the one place that catches every exception: whatever happens to a case, the others go
    on, and the reason is recorded.
    """
    start = time.perf_counter()
    try:
        value = function(item)
    except CaseError as error:
        return Failed(case_id, error.code, error.message, time.perf_counter() - start)
    except MemoryError:
        message = "the machine's memory did not suffice; crop the image or use fewer workers"
        return Failed(case_id, "OUT_OF_MEMORY", message, time.perf_counter() - start)
    except Exception as error:
        logger.debug("case %s failed", case_id, exc_info=True)
        message = f"{type(error).__name__}: {error}"
        return Failed(case_id, "EXTRACTION", message, time.perf_counter() - start)
    return Done(case_id, value, time.perf_counter() - start)
