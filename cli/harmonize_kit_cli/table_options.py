"""Options of every command that reads a feature table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def table_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --covariates, --features, --not-features and --id."""
    for option in reversed(
        [
            click.option(
                "--covariates",
                type=click.Path(path_type=Path),
                help="Table with site and covariates, joined by id.",
            ),
            click.option(
                "--features",
                multiple=True,
                metavar="GLOB",
                help="Columns that are features, such as 'original_*' (repeatable).",
            ),
            click.option(
                "--not-features", metavar="COLS", help="Columns of numbers that are no features."
            ),
            click.option("--id", "id_column", help="Column of the ids, if it has no usual name."),
        ]
    ):
        function = option(function)
    return function


def columns_of(text: str | None) -> tuple[str, ...]:
    """Return the column names of ``"age,sex"``."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def whole_number(text: str) -> int | str:
    """Return a whole number, or the text where it is none (auto, or a mistake told later)."""
    try:
        return int(text)
    except ValueError:
        return text
