"""What every command shares: its common options, its words, its log and its final JSON."""

from __future__ import annotations

import functools
import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import click

from harmonize_kit.errors import HarmonizeWarning
from harmonize_kit_cli import exit_codes

LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
logger = logging.getLogger("harmonize_kit")


@dataclass(frozen=True)
class Outcome:
    """What a command leaves: the object ``--json`` prints, and the exit code."""

    document: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())
    exit_code: int = exit_codes.OK


@dataclass(frozen=True)
class Console:
    """Where a command speaks: to people on stdout, or only on stderr when stdout is JSON."""

    as_json: bool = False
    quiet: bool = False
    debug: bool = False

    def say(self, text: str = "") -> None:
        """Print a line for people, unless quiet or JSON was asked for."""
        if not self.quiet and not self.as_json:
            click.echo(text)


def command_options(function: Callable[..., Outcome]) -> Callable[..., int]:
    """Give a command the common options and a Console as first argument."""

    @functools.wraps(function)
    def wrapped(
        as_json: bool, verbose: int, quiet: bool, log_file: Path | None, debug: bool, **kwargs: Any
    ) -> int:
        console = Console(as_json, quiet, debug)
        _start_log(-1 if quiet else verbose, log_file)
        outcome = function(console, **kwargs)
        if as_json:
            document = {"ok": outcome.exit_code == exit_codes.OK, **outcome.document}
            click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, default=str))
        return outcome.exit_code

    for option in reversed(
        [
            click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
            click.option("-v", "--verbose", count=True, help="Say more; -vv for everything."),
            click.option("-q", "--quiet", is_flag=True, help="Errors only."),
            click.option(
                "--log-file",
                type=click.Path(dir_okay=False, path_type=Path),
                help="Write everything to this file.",
            ),
            click.option("--debug", is_flag=True, help="Show the traceback of an error."),
        ]
    ):
        wrapped = option(wrapped)
    return wrapped


def complain(
    message: str, *, as_json: bool, exit_code: int, raised: BaseException | None = None
) -> None:
    """Tell an error on stderr, with the traceback of ``raised``; and as JSON where asked for."""
    logger.debug("exit %d: %s", exit_code, message)
    if raised is not None:
        traceback.print_exception(raised)
    click.echo(f"Error: {message}", err=True)
    if as_json:
        complain_json(message, exit_code)


def complain_json(message: str, exit_code: int) -> None:
    """Print the final JSON object of a command that failed."""
    document = {"ok": False, "exit_code": exit_code, "error": message}
    click.echo(json.dumps(document, ensure_ascii=False))


def _start_log(verbose: int, log_file: Path | None) -> None:
    logger.handlers.clear()
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(_handler(sys.stderr, LEVELS.get(verbose, logging.DEBUG)))
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log_file, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", HarmonizeWarning)
    warnings.showwarning = _show_warning


def _handler(stream: TextIO, level: int) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    return handler


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    logger.warning("%s", message)
