"""Covariate formulas: parsed by formulaic, and kept to what is safe to store and replay.

formulaic evaluates Python inside a formula. A model file may come from somebody else, so only
column names, arithmetic and a few functions are let through; anything else is refused before it
could be evaluated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from formulaic import Formula
from formulaic.errors import FormulaicError

from harmonize_kit.errors import CovariateError

MAX_LENGTH = 1000
MAX_CONSTANT = 1e6
FUNCTIONS = frozenset({"I", "log", "log10", "log2", "exp"})
_CATEGORICAL = re.compile(r"\bC\(\s*`?([A-Za-z_][\w. ]*?)`?\s*\)")
_CALL = re.compile(r"\b(?:C|I|log|log2|log10|exp)\(")
_POWER = re.compile(r"\s*(?:\*\*|\^)\s*([\w.]*)")
_HARMLESS = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Load,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.Pow,
    ast.USub,
    ast.UAdd,
)


@dataclass(frozen=True)
class CovariateFormula:
    """The right-hand side of a covariate model.

    Parameters
    ----------
    text : str
        The formula in the form that is stored and replayed; empty where nothing is preserved.
    columns : tuple of str
        Columns the terms read, in order of appearance.
    categorical : frozenset of str
        Columns marked as groups by ``C(...)``.
    """

    text: str
    columns: tuple[str, ...]
    categorical: frozenset[str]


@lru_cache(maxsize=256)
def parse_formula(text: str | None) -> CovariateFormula:
    """Parse ``"age + sex"``, ``"age,sex"`` or ``"~ age * C(sex)"``.

    Raises
    ------
    CovariateError
        If the text is no formula, or holds more than names, arithmetic and :data:`FUNCTIONS`.
    """
    if text is None or not text.strip():
        return CovariateFormula("", (), frozenset())
    plain = text.strip().removeprefix("~").strip()
    if len(plain) > MAX_LENGTH:
        raise CovariateError(f"a formula may have {MAX_LENGTH} characters, got {len(plain)}")
    if "," in plain:
        plain = list_formula([name.strip() for name in plain.split(",") if name.strip()])
    _require_no_power(plain, text)
    categorical = frozenset(_CATEGORICAL.findall(plain))
    plain = _CATEGORICAL.sub(lambda found: _quoted(found[1]), plain)
    columns: dict[str, None] = {}
    for term in _terms(plain, text):
        for factor in term.factors:
            for name in _names(str(factor.expr), str(factor.eval_method.value), text):
                columns[name] = None
    if not columns or "Intercept" in columns:
        raise CovariateError(
            f"formula '{text}': expected the names of covariates, got "
            f"{'Intercept' if columns else 'none'}; write it like 'age + sex'"
        )
    return CovariateFormula(plain, tuple(columns), categorical)


def _terms(plain: str, text: str) -> list[Any]:
    try:
        parsed = cast(list[Any], cast(Any, Formula)(plain))
    except (FormulaicError, SyntaxError) as error:
        reason = str(error).splitlines()[0]
        raise CovariateError(
            f"formula '{text}' cannot be read ({reason}); write it like 'age + sex'"
        ) from error
    if "~" in plain:
        raise CovariateError(f"formula '{text}': expected covariates only, got two sides")
    if not any(str(term) == "1" for term in parsed):
        raise CovariateError(f"formula '{text}': leave out - 1 or + 0; sites carry the intercept")
    return [term for term in parsed if str(term) != "1"]


def _names(expression: str, method: str, text: str) -> list[str]:
    if method == "lookup":
        return [expression]
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError as error:
        raise CovariateError(f"formula '{text}': '{expression}' cannot be read") from error
    called: set[int] = set()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in FUNCTIONS and not node.keywords:
                called.add(id(node.func))
                continue
        elif isinstance(node, ast.Name):
            if id(node) not in called:
                names.append(node.id)
            continue
        elif isinstance(node, _HARMLESS) or (
            isinstance(node, ast.Constant)
            and not isinstance(node.value, bool)
            and isinstance(node.value, (int, float))
            and abs(node.value) <= MAX_CONSTANT
        ):
            continue
        raise CovariateError(
            f"formula '{text}': expected column names, + - * / ** and "
            f"{', '.join(sorted(FUNCTIONS | {'C'}))}, got '{expression}'; compute the column "
            "beforehand and name it"
        )
    return names


def term_columns(parsed: CovariateFormula) -> list[tuple[str, ...]]:
    """Return the columns that each term reads."""
    if not parsed.text:
        return []
    return [
        tuple(
            dict.fromkeys(
                name
                for factor in term.factors
                for name in _names(str(factor.expr), str(factor.eval_method.value), parsed.text)
            )
        )
        for term in _terms(parsed.text, parsed.text)
    ]


def without_terms(parsed: CovariateFormula, names: Sequence[str]) -> CovariateFormula:
    """Return the formula less the terms that are ``names`` alone; interactions with them stay."""
    if not parsed.text or not set(names) & set(parsed.columns):
        return parsed
    kept: list[str] = []
    for term in _terms(parsed.text, parsed.text):
        factors = [
            _quoted(str(one.expr)) if str(one.eval_method.value) == "lookup" else str(one.expr)
            for one in term.factors
        ]
        if len(term.factors) > 1 or str(term.factors[0].expr) not in names:
            kept.append(":".join(factors))
    left = parse_formula(" + ".join(kept))
    return CovariateFormula(left.text, left.columns, parsed.categorical & set(left.columns))


def list_formula(names: Sequence[str]) -> str:
    """Return the formula that keeps each of ``names``, whatever characters they hold."""
    return " + ".join(name if _CALL.match(name) else _quoted(name) for name in names)


def _require_no_power(plain: str, text: str) -> None:
    """Refuse powers outside of I(...), where they mean interactions and drop what looks squared.

    ``(age + sex)**2`` is such an interaction and stays; its order is bounded, as is any power.
    """
    for found in _POWER.finditer(plain):
        before, power = plain[: found.start()], found[1]
        if _inside_call(before):
            if power not in {"2", "3", "4", "5", "0.5"}:
                raise CovariateError(f"formula '{text}': powers are 2 to 5 and 0.5, got '{power}'")
        elif not before.endswith(")") or power not in {"2", "3"}:
            raise CovariateError(
                f"formula '{text}': write a power as I(age**2); without I( ) it means an "
                "interaction of order 2 or 3"
            )


def _inside_call(before: str) -> bool:
    """Tell whether text that goes on here stands between the brackets of a function."""
    calls: list[bool] = []
    for found in re.finditer(r"(\b\w+)?([()])", before):
        if found[2] == "(":
            calls.append(found[1] in FUNCTIONS)
        elif calls:
            calls.pop()
    return any(calls)


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"
