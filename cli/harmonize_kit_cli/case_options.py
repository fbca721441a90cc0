"""Options of every command that works through cases."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harmonize_kit_cli.table_options import whole_number

OPTIONS = (
    click.option(
        "--workers", default="auto", show_default=True,
        help="Processes on this machine: a number, or auto.",
    ),
    click.option("--scheduler", help="Address of a running Dask scheduler, tcp://host:8786."),
    click.option(
        "--cluster", metavar="FILE", type=click.Path(path_type=Path),
        help="YAML file with a batch system (slurm, pbs ...), its jobs and how many.",
    ),
    click.option(
        "--shard", metavar="I/N",
        help="Only every N-th case from the I-th on, as one job of an array.",
    ),
    click.option("--memory-per-worker", help="Memory limit of each worker, such as 4GB."),
    click.option(
        "--case-timeout", type=float, metavar="SECONDS", help="Time limit of each case.",
    ),
    click.option(
        "--on-error", type=click.Choice(["skip", "stop"]), default="skip", show_default=True,
        help="Whether the other cases go on when one fails.",
    ),
    click.option("--dry-run", is_flag=True, help="Say what there is to do, and how long it takes."),
    click.option("--force", is_flag=True, help="Do again what was done before."),
)  # fmt: skip


def case_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of running cases.

    The command receives them as ``execution`` (what an ExecutionConfig is made of; see
    :func:`execution_config`), ``dry_run`` and ``force``.
    """

    @functools.wraps(function)
    def wrapped(
        *positional: Any,
        workers: str,
        scheduler: str | None,
        cluster: Path | None,
        shard: str | None,
        memory_per_worker: str | None,
        case_timeout: float | None,
        on_error: str,
        **others: Any,
    ) -> Any:
        execution = {
            "workers": whole_number(workers),
            "scheduler": scheduler,
            "cluster": cluster,
            "shard": shard,
            "memory_per_worker": memory_per_worker,
            "case_timeout": case_timeout,
            "on_error": on_error,
        }
        return function(*positional, execution=execution, **others)

    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def execution_config(options: dict[str, Any]) -> Any:
    """Return the ExecutionConfig of a command's options, with the cluster file read.

    Raises
    ------
    ConfigError
        If an option or the cluster file is not usable.
    """
    from harmonize_kit.config.execution import ClusterConfig, ExecutionConfig
    from harmonize_kit.config.load import load_file, validate_config

    file = options["cluster"]
    cluster = None if file is None else load_file(file, ClusterConfig)
    return validate_config({**options, "cluster": cluster}, "options", ExecutionConfig)
