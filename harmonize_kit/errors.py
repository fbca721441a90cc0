"""One tree of errors, by stage; each message says what was expected, what came, what to do.

Two families differ in what they stop. An :class:`InputError` stops the run before any case is
touched. A :class:`CaseError` stops one case: the others go on, and its reason code becomes a row
of ``failures.csv``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class HarmonizeError(Exception):
    """Root of every error this package raises on purpose."""


class HarmonizeWarning(UserWarning):
    """Something a reader of the result must know, though the result stands."""


class InputError(HarmonizeError, ValueError):
    """What the user gave cannot be worked with; nothing was started.

    A ValueError too, which is what callers of scikit-learn estimators look for.

    Parameters
    ----------
    message : str
    problems : sequence of str
        Every problem found, where there are several; ``message`` sums them up.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class ConfigError(InputError):
    """A parameter file, preset or option is misspelt, of the wrong type or out of range."""


class TableError(InputError):
    """A cohort, covariate or feature table is not what its role requires."""


class CovariateError(InputError):
    """A covariate is missing, of the wrong kind, or holds a level or value that cannot be used."""


class DesignError(InputError):
    """Site and covariates cannot be told apart, or there are too few subjects to estimate them."""


class UnseenSiteError(InputError):
    """A model meets a site it was not fitted on."""


class NotFittedError(InputError, AttributeError):
    """An estimator is asked to transform before it was fitted."""


class IntegrityError(HarmonizeError):
    """A saved model or result is damaged, tampered with, or from a newer version."""


class DependencyError(HarmonizeError):
    """An optional package is missing, or another package answers to its name."""


class NothingSucceededError(HarmonizeError):
    """Every case failed, so there is no product."""


class OutputError(HarmonizeError):
    """The output cannot be written: the disk is full, say. What is done is kept."""


class CaseError(HarmonizeError):
    """One case cannot be processed.

    Parameters
    ----------
    code : str
        Reason code of the command-line contract, such as ``GEOMETRY`` or ``EMPTY_MASK``.
    message : str
        One sentence: expected, got, what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class ImageError(CaseError):
    """An image or mask file is missing, damaged, or not a three-dimensional image."""


class GeometryError(CaseError):
    """Image and mask do not lie on one grid."""

    def __init__(self, message: str) -> None:
        super().__init__("GEOMETRY", message)

    def __reduce__(self) -> tuple[type[GeometryError], tuple[str]]:
        return (type(self), (self.message,))


class MaskError(CaseError):
    """A mask is empty, lacks a label, or holds no labels at all."""


class ExtractionError(CaseError):
    """The region of interest was read, but features could not be computed from it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence naming the closest known name, or listing what is known.

    Examples
    --------
    >>> did_you_mean("binWidht", ["binWidth", "label"])
    "Did you mean 'binWidth'?"
    """
    names = [str(item) for item in known]
    lowered = {item.lower(): item for item in reversed(names)}
    close = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{lowered[close[0]]}'?"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"Known: {shown}." if names else "None are known."


class PreprocessingError(CaseError):
    """The scans of a case were read, but a stage cannot do its work on them."""

    def __init__(self, message: str) -> None:
        super().__init__("PREPROCESSING", message)

    def __reduce__(self) -> tuple[type[PreprocessingError], tuple[str]]:
        return (type(self), (self.message,))


class StageError(CaseError):
    """A stage of preprocessing failed on a case.

    Parameters
    ----------
    stage : str
        Name of the stage, as ``--stages`` takes it, or ``read`` or ``write``.
    code, message : str
        As of the error that ended it.
    """

    def __init__(self, stage: str, code: str, message: str) -> None:
        super().__init__(code, message)
        self.stage = stage

    def __reduce__(self) -> tuple[type[StageError], tuple[str, str, str]]:
        return (type(self), (self.stage, self.code, self.message))
