"""Pickles of other programs, read without running them.

A pickle is a program for a small stack machine. What is dangerous in it are the instructions that
import a name, and those that call it or give it state. This reader splits the program into its
instructions (:mod:`pickletools`, which runs none of them) and keeps a book instead of obeying:
where the program asks for a name, the name is written down; where it asks for a call, what would be
called and with what. No name is ever looked up, nothing is imported, called, or given state, so
nothing of the file can run. Any name beyond those that are expected, any instruction beyond those
that hold data, and any file cut short ends the reading.
"""

from __future__ import annotations

import mmap
import pickletools
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from harmonize_kit.errors import ConfigError, IntegrityError

# A model of a hundred thousand subjects takes less than a fifth of it; each may cost 64 bytes.
MOST_INSTRUCTIONS = 5_000_000
_VALUES = frozenset(
    {
        "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE",
        "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
    }
)  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_NOTHING = frozenset({"PROTO", "FRAME", "STOP"})


@dataclass(frozen=True)
class Name:
    """A name the program asked for; it was not looked up.

    Parameters
    ----------
    dotted : str
        Module and name, such as ``numpy.dtype``.
    """

    dotted: str


@dataclass(eq=False)
class Call:
    """A call the program asked for; it was not made.

    Parameters
    ----------
    called : str
        What would have been called, dotted.
    arguments : tuple
    state : object
        What the result would have been given as its state.
    """

    called: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_foreign_pickle(path: Path, allowed: Collection[str]) -> Any:
    """Return what a pickle holds: plain values, and :class:`Call` where it would make objects.

    Parameters
    ----------
    path : Path
    allowed : collection of str
        Dotted names the program may ask for; they are written down all the same, not looked up.

    Raises
    ------
    ConfigError
        If there is no such file.
    IntegrityError
        If it is no pickle, is cut short, or asks for anything else.
    """
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise IntegrityError(f"{path.name} is empty; expected a pickle")
    book = _Book(frozenset(allowed), path.name)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        warnings.catch_warnings(),
    ):
        try:
            warnings.simplefilter("ignore", DeprecationWarning)  # of escapes in damaged text
            for number, (code, argument, _) in enumerate(pickletools.genops(cast(Any, data))):
                if number >= MOST_INSTRUCTIONS:
                    book.refuse(f"has more than {MOST_INSTRUCTIONS} instructions")
                book.write(code.name, argument)
            return book.result()
        except (ValueError, IndexError, KeyError, AssertionError, OverflowError) as error:
            raise IntegrityError(
                f"{path.name} is no whole pickle ({str(error) or type(error).__name__}); "
                "copy the file anew"
            ) from error


class _Book:
    """The stack and the memory of the machine, and what is written down in place of being done."""

    def __init__(self, allowed: frozenset[str], source: str) -> None:
        self.allowed = allowed
        self.source = source
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.writers: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.marks.append(len(self.stack)),
            "MEMOIZE": lambda _: self._keep(len(self.memo)),
            "PUT": self._keep, "BINPUT": self._keep, "LONG_BINPUT": self._keep,
            "GET": self._recall, "BINGET": self._recall, "LONG_BINGET": self._recall,
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "LIST": lambda _: self.stack.append(self._since_mark()),
            "DICT": lambda _: self.stack.append(self._items({}, self._since_mark())),
            "TUPLE": lambda _: self.stack.append(tuple(self._since_mark())),
            "TUPLE1": lambda _: self.stack.append(tuple(self._last(1))),
            "TUPLE2": lambda _: self.stack.append(tuple(self._last(2))),
            "TUPLE3": lambda _: self.stack.append(tuple(self._last(3))),
            "APPEND": lambda _: self._extend(self._last(1)),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._set(self._last(2)),
            "SETITEMS": lambda _: self._set(self._since_mark()),
            "GLOBAL": lambda argument: self._name(*str(argument).split(" ", 1)),
            "STACK_GLOBAL": lambda _: self._name(*self._last(2)),
            "REDUCE": lambda _: self._call(*self._last(2)),
            "NEWOBJ": lambda _: self._call(*self._last(2)),
            "BUILD": lambda _: self._state(self._last(1)[0]),
        }  # fmt: skip

    def write(self, code: str, argument: Any) -> None:
        """Write one instruction down."""
        if code in _VALUES:
            self.stack.append(argument)
        elif code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code])
        elif code in self.writers:
            self.writers[code](argument)
        elif code not in _NOTHING:
            self.refuse(f"holds the instruction {code}, which no model needs")

    def result(self) -> Any:
        """Return the one object that is left."""
        if len(self.stack) != 1:
            self.refuse("does not end with one object")
        return self.stack[0]

    def refuse(self, why: str) -> NoReturn:
        """Raise that the file is not to be trusted."""
        raise IntegrityError(
            f"{self.source} is a foreign pickle: it {why}. Nothing of it was run; only models as "
            "neuroHarmonize saves them are read"
        )

    def _last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("its stack runs empty")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _keep(self, index: int) -> None:
        self.memo[int(index)] = self.stack[-1]

    def _recall(self, index: int) -> None:
        self.stack.append(self.memo[int(index)])

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            self.refuse("adds to something that is no list")
        cast(list[Any], self.stack[-1]).extend(items)

    def _set(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            self.refuse("sets an item of something that is no dict")
        self._items(cast(dict[Any, Any], self.stack[-1]), items)

    def _items(self, target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int, float)):
                self.refuse("has a key that is neither text nor a number")
            target[key] = value
        return target

    def _name(self, module: object, name: object) -> None:
        dotted = f"{module}.{name}"
        if dotted not in self.allowed:
            self.refuse(f"asks for '{dotted[:200]}'")
        self.stack.append(Name(dotted))

    def _call(self, called: object, arguments: object) -> None:
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            self.refuse("calls something that is no name")
        self.stack.append(Call(called.dotted, cast(tuple[Any, ...], arguments)))

    def _state(self, state: object) -> None:
        if not isinstance(self.stack[-1], Call) or self.stack[-1].state is not None:
            self.refuse("gives a state to something that takes none")
        self.stack[-1].state = state
