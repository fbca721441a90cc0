"""numpy's arrays and numbers out of a pickle that was read but not run."""

from __future__ import annotations

import math
import re
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.errors import IntegrityError
from harmonize_kit.storage.foreign_pickle import Call

_MODULES = ("numpy.core.", "numpy._core.")
ARRAY_NAMES = frozenset(
    {"numpy.ndarray", "numpy.matrix", "numpy.dtype"}
    | {f"{module}multiarray._reconstruct" for module in _MODULES}
    | {f"{module}multiarray.scalar" for module in _MODULES}
    | {f"{module}numeric._frombuffer" for module in _MODULES}
)
# Plain numbers and text; not structured types, dates or raw memory.
_PLAIN_TYPE = re.compile(r"[fiu][1248]|b1|U\d{1,4}")
DEEPEST = 50
SURROGATES = 0xD800  # from here on, numbers may be no characters


class PickledValues:
    """The values of one pickle.

    Parameters
    ----------
    source : str
        Names the file in errors.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._begun: set[int] = set()
        # With the value itself: its address is its own as long as it is held.
        self._done: dict[int, tuple[Any, Any]] = {}

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Return a value with its arrays and numbers as numpy's, tuples as lists.

        An object of any other kind becomes the mapping of its fields, or None. What the pickle
        refers to several times is read once.

        Raises
        ------
        IntegrityError
            If an array is not as numpy writes it, holds objects other than text and numbers, or
            values are nested in themselves.
        """
        if not isinstance(value, (Call, dict, list, tuple)):
            return value
        address = id(cast(object, value))
        if address in self._done:
            return self._done[address][1]
        if address in self._begun or depth > DEEPEST:
            self._refuse("its values are nested in themselves")
        self._begun.add(address)
        self._done[address] = value, self._read(value, depth + 1)
        return self._done[address][1]

    def _read(self, value: Any, depth: int) -> Any:
        if isinstance(value, Call) and value.called in ARRAY_NAMES:
            return None if value.called == "numpy.dtype" else self._numbers(value, depth)
        if isinstance(value, Call):
            value = value.state
        if isinstance(value, dict):
            held = cast(dict[Any, Any], value)
            return {key: self.plain(one, depth) for key, one in held.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(one, depth) for one in cast(list[Any], value)]
        return None

    def _numbers(self, call: Call, depth: int) -> Any:
        try:
            if call.called.endswith(".scalar"):
                kind, data = call.arguments
                return self._array(kind, data, (), "C", depth)[()]
            if call.called.endswith("._frombuffer"):
                data, kind, shape, order = call.arguments
                return self._array(kind, data, shape, order, depth)
            _, shape, kind, by_column, data = call.state
            return self._array(kind, data, shape, "F" if by_column else "C", depth)
        except (TypeError, ValueError) as error:
            self._refuse(f"an array in it is not as numpy writes it ({error})")

    def _array(self, kind: Any, data: Any, shape: Any, order: str, depth: int) -> NDArray[Any]:
        code, byte_order = self._kind(kind)
        if not all(isinstance(length, int) and length >= 0 for length in shape):
            raise ValueError(f"shape {shape!r}")
        if code.startswith("O"):
            return self._objects(data, shape, order, depth)
        dtype = np.dtype(code).newbyteorder(cast(Any, byte_order))
        if dtype.itemsize * math.prod(shape) != len(data):
            raise ValueError(f"{len(data)} bytes for shape {shape!r}")
        flat: NDArray[Any] = np.frombuffer(bytes(data), dtype=dtype)
        if dtype.kind == "U" and flat.view(f"{byte_order}u4").max(initial=0) >= SURROGATES:
            raise ValueError("text beyond the basic characters")
        return flat.reshape(shape, order=cast(Any, order))

    def _objects(self, data: Any, shape: Any, order: str, depth: int) -> NDArray[Any]:
        items = [self.plain(one, depth) for one in data]
        if not all(isinstance(one, (str, bool, int, float, np.generic)) for one in items):
            raise ValueError("objects other than text and numbers")
        if len(items) != math.prod(shape):
            raise ValueError(f"{len(items)} objects for shape {shape!r}")
        flat: NDArray[Any] = np.empty(len(items), dtype=object)
        flat[:] = items
        return flat.reshape(shape, order=cast(Any, order))

    @staticmethod
    def _kind(kind: Any) -> tuple[str, str]:
        if not isinstance(kind, Call) or kind.called != "numpy.dtype":
            raise ValueError("no type of numbers")
        code = kind.arguments[0]
        byte_order = kind.state[1] if kind.state is not None else "|"
        if not isinstance(code, str) or byte_order not in ("<", ">", "=", "|"):
            raise ValueError("no type of numbers")
        if code not in ("O", "O8") and not _PLAIN_TYPE.fullmatch(code):
            raise ValueError(f"numbers of type '{code}'")
        return code, byte_order

    def _refuse(self, why: str) -> NoReturn:
        raise IntegrityError(f"{self._source} is no model as neuroHarmonize saves it: {why}")
