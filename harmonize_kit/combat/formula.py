"""Covariate formulas: parsed by formulaic, and kept to what is safe to store and replay.

formulaic evaluates Python inside a formula. A model file may come from somebody else, so only
column names, arithmetic and a few functions are let through; anything else is refused before it
could be evaluated.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any, cast

from formulaic import Formula
from formulaic.errors import FormulaicError

from harmonize_kit.errors import CovariateError

FUNCTIONS = frozenset({"I", "log", "log10", "log2", "exp"})
_CATEGORICAL = re.compile(r"\bC\(\s*`?([A-Za-z_][\w. ]*?)`?\s*\)")
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
    if "," in plain and "(" not in plain:
        plain = " + ".join(_quoted(name.strip()) for name in plain.split(",") if name.strip())
    categorical = frozenset(_CATEGORICAL.findall(plain))
    plain = _CATEGORICAL.sub(lambda found: _quoted(found[1]), plain)
    columns: dict[str, None] = {}
    for term in _terms(plain, text):
        for factor in term.factors:
            for name in _names(str(factor.expr), str(factor.eval_method.value), text):
                columns[name] = None
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
            isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
        ):
            continue
        raise CovariateError(
            f"formula '{text}': expected column names, + - * / ** and "
            f"{', '.join(sorted(FUNCTIONS | {'C'}))}, got '{expression}'; compute the column "
            "beforehand and name it"
        )
    return names


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"
