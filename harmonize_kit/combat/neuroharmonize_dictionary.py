"""The dictionary that is a model of neuroHarmonize, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.table import as_text
from harmonize_kit.errors import IntegrityError


@dataclass(frozen=True)
class ModelDictionary:
    """A model of neuroHarmonize, whose fields are proved as they are read.

    Parameters
    ----------
    fields : mapping of str to object
    source : str
        Names the model in errors.
    """

    fields: Mapping[str, Any]
    source: str

    def field(self, name: str) -> Any:
        """Return a field that must be there; IntegrityError otherwise."""
        if name not in self.fields:
            raise IntegrityError(
                f"{self.source}: expected a model of neuroHarmonize, got no field '{name}'"
            )
        return self.fields[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a field of numbers."""
        try:
            return np.array(self.field(name), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise IntegrityError(f"{self.source}: expected numbers in '{name}'") from error

    def rows(self, name: str) -> NDArray[np.float64]:
        """Return a field of rows and columns of numbers."""
        found = self.numbers(name)
        if found.ndim != 2 or not found.size:
            raise IntegrityError(
                f"{self.source}: expected rows and columns in '{name}', got shape {found.shape}"
            )
        return found

    def whole_numbers(self, name: str) -> tuple[int, ...]:
        """Return a field of counts or positions."""
        found = np.ravel(self.numbers(name))
        if not (np.isfinite(found).all() and (found == np.floor(found)).all()):
            raise IntegrityError(f"{self.source}: expected whole numbers in '{name}'")
        return tuple(int(one) for one in found)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a field of names; numbers are written as a table has them."""
        held = self.field(name)
        if not isinstance(held, (list, tuple, np.ndarray)):
            raise IntegrityError(f"{self.source}: expected names in '{name}'")
        items = cast(list[object], np.ravel(np.array(held, dtype=object)).tolist())
        names = tuple(as_text(one).strip() for one in items)
        if not all(text.isprintable() and text for text in names):
            raise IntegrityError(f"{self.source}: expected names that can be read in '{name}'")
        return names

    def inside(self, name: str) -> ModelDictionary:
        """Return a field that is a dictionary itself."""
        found = self.field(name)
        if not isinstance(found, dict):
            raise IntegrityError(f"{self.source}: expected a dictionary in '{name}'")
        return ModelDictionary(cast(Mapping[str, Any], found), self.source)
