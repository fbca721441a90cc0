"""Options of the commands that judge, and what they say of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from harmonize_kit_cli.console import Console


def judge_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add output, the columns that matter, and folds, draws and seed."""
    for option in reversed(
        [
            click.option(
                "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder."
            ),
            click.option(
                "--site", required=True, metavar="COL", help="Column that names the site."
            ),
            click.option("--biology", metavar="COLS", help="Covariates to be kept: age,sex."),
            click.option("--outcome", metavar="COL", help="Outcome to be predicted."),
            click.option(
                "--subject", metavar="COL", help="Subject, where subjects have several cases."
            ),
            click.option("--folds", default=5, show_default=True, type=click.IntRange(min=2)),
            click.option(
                "--permutations", default=200, show_default=True, type=click.IntRange(min=0)
            ),
            click.option(
                "--bootstraps", default=500, show_default=True, type=click.IntRange(min=0)
            ),
            click.option(
                "--show-ids", is_flag=True,
                help="Name cases in the figures (off: a report travels).",
            ),
            click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0)),
        ]
    ):  # fmt: skip
        function = option(function)
    return function


def say_site_prediction(console: Console, scores: Iterable[Any]) -> None:
    """Say for each candidate how well the site can be told from its features."""
    for score in scores:
        if score.metric != "site_balanced_accuracy_linear":
            continue
        between = "" if score.interval is None else " [{:.2f}, {:.2f}]".format(*score.interval)
        null = score.null
        chance = "" if null is None else f"; chance {null.low:.2f} to {null.high:.2f}"
        below = null is not None and score.value < null.low
        console.say(
            f"{score.candidate}: site told from features with balanced accuracy "
            f"{score.value:.2f}{between}{chance}"
            + (": below chance, which is no better than chance" if below else "")
        )
