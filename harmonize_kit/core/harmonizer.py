"""What a feature harmonizer is: a configuration that is fitted, a fitted thing that applies.

The contract, in prose. A :class:`Harmonizer` holds choices only, never data, so that one object
can be fitted in every fold of a cross-validation. ``fit`` learns from the cases it is given and
returns a :class:`FittedHarmonizer`; it does not change itself. The fitted thing holds the frozen
configuration and the learned state, nothing of any single subject. ``apply`` takes any cases from
sites it knows, one patient included, reads their covariates by name, and returns a table with the
same ids and columns. Held-out validity rests on this: what ``apply`` returns for a case depends on
that case and on the training cases alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harmonize_kit.core.table import FeatureTable


class FittedHarmonizer(Protocol):
    """Frozen configuration and learned state."""

    def apply(self, table: FeatureTable) -> FeatureTable:
        """Return the harmonized table: same ids, same columns.

        Raises
        ------
        UnseenSiteError
            If a case comes from a site the harmonizer was not fitted on.
        """
        ...


class Harmonizer(Protocol):
    """A configuration that learns from a table."""

    def fit(self, table: FeatureTable) -> FittedHarmonizer:
        """Learn from ``table`` and return the fitted harmonizer."""
        ...


@dataclass(frozen=True)
class IdentityHarmonizer:
    """Changes nothing: the raw data as a candidate among harmonizers, judged the same way.

    Examples
    --------
    >>> identity = IdentityHarmonizer()
    >>> identity.fit(table).apply(table) is table  # doctest: +SKIP
    True
    """

    def fit(self, table: FeatureTable) -> IdentityHarmonizer:
        """Learn nothing from ``table``."""
        return self

    def apply(self, table: FeatureTable) -> FeatureTable:
        """Return ``table`` itself."""
        return table
