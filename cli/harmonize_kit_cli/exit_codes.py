"""Exit codes of the contract, and which error ends with which."""

from __future__ import annotations

from harmonize_kit.errors import (
    DependencyError,
    HarmonizeError,
    IntegrityError,
    NothingSucceededError,
    OutputError,
)

OK = 0
USAGE = 2
SOME_FAILED = 3
INVALID = 4
NOTHING_SUCCEEDED = 5
DEPENDENCY = 6
INTEGRITY = 7
BUG = 70
INTERRUPTED = 130
TERMINATED = 143


def exit_code_of(error: HarmonizeError) -> int:
    """Return the exit code of an error the package raised on purpose."""
    if isinstance(error, (NothingSucceededError, OutputError)):
        return NOTHING_SUCCEEDED
    if isinstance(error, DependencyError):
        return DEPENDENCY
    if isinstance(error, IntegrityError):
        return INTEGRITY
    return INVALID
