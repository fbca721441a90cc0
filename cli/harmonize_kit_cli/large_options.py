"""Options of commands that work through tables which do not fit into memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harmonize_kit_cli.table_options import whole_number

OPTIONS = (
    click.option(
        "--mask", metavar="FILE", type=click.Path(path_type=Path),
        help="TABLE names images (column Image); their voxels under this mask are the features.",
    ),
    click.option(
        "--memory", metavar="AMOUNT",
        help="Work part by part within this much memory, such as 2G (Parquet, Zarr, images).",
    ),
    click.option(
        "--workers", metavar="N", help="Processes that share the parts; 1 unless said otherwise."
    ),
    click.option("--scheduler", help="Address of a running Dask scheduler that takes the parts."),
)  # fmt: skip


def large_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --mask, --memory, --workers and --scheduler.

    The command receives them as ``mask`` and ``large`` (see :func:`large_config`).
    """

    @functools.wraps(function)
    def wrapped(
        *positional: Any,
        memory: str | None,
        workers: str | None,
        scheduler: str | None,
        **others: Any,
    ) -> Any:
        large = {"memory": memory, "workers": workers, "scheduler": scheduler}
        return function(*positional, large=large, **others)

    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def large_config(options: dict[str, Any], *, needed: bool) -> Any:
    """Return the LargeConfig of a command's options; None where the table is read as a whole.

    Parameters
    ----------
    options : dict
        As :func:`large_options` gives them.
    needed : bool
        Whether the table can only be read part by part.

    Raises
    ------
    ConfigError
        If an option is not usable.
    """
    from harmonize_kit.config.large import LargeConfig
    from harmonize_kit.config.load import validate_config

    given = {name: value for name, value in options.items() if value is not None}
    if not given and not needed:
        return None
    execution: dict[str, Any] = {"workers": whole_number(given.pop("workers", "1"))}
    if "scheduler" in given:
        execution["scheduler"] = given.pop("scheduler")
    return validate_config({**given, "execution": execution}, "options", LargeConfig)
