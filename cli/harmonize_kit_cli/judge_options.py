"""Options of the commands that judge, and what they say of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harmonize_kit_cli.console import Console

if TYPE_CHECKING:
    from harmonize_kit.flows.cohort_images import ImageCohorts
    from harmonize_kit.flows.ratings import RatingFiles


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
            click.option(
                "--split", metavar="PARTS",
                help="Judge these parts of column 'split' alone: test; validation,test; all.  "
                "[default: all but train beside tables of translated images, else all]",
            ),
            click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0)),
        ]
    ):  # fmt: skip
        function = option(function)
    return function


def image_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the images that features were measured in, and what readers said of them."""
    for option in reversed(
        [
            click.option(
                "--images", multiple=True, metavar="NAME=COHORT",
                help="Images the table of this name was measured in, to be judged and shown with "
                "the guards beside them; those of the first table come first, and their masks are "
                "lesions (repeatable).",
            ),
            click.option(
                "--true-images", type=click.Path(path_type=Path), metavar="COHORT",
                help="The same cases on the scanner that is aimed at.",
            ),
            click.option(
                "--ratings", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
                help="What a reader of 'reader-study' exported, one file a reader (repeatable).",
            ),
            click.option(
                "--key", type=click.Path(path_type=Path), metavar="FILE",
                help="The key.csv of that study.",
            ),
        ]
    ):  # fmt: skip
        function = option(function)
    return function


def named_paths(texts: Iterable[str], example: str) -> dict[str, Path]:
    """Return the path of each name out of ``NAME=PATH``."""
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise click.UsageError(f"expected NAME=PATH, such as {example}, got '{text}'")
        if name in found:
            raise click.UsageError(f"the name '{name}' is given twice")
        found[name] = Path(path)
    return found


def image_cohorts(
    texts: Iterable[str], tables: Sequence[str], truth: Path | None
) -> ImageCohorts | None:
    """Return the cohorts of images in the order of the tables, None where there are none."""
    from harmonize_kit.flows.cohort_images import ImageCohorts

    found = named_paths(texts, "gan=cohort.csv")
    unknown = [name for name in found if name not in tables]
    if unknown:
        raise click.UsageError(f"--images: there is no table named '{unknown[0]}'")
    if (found or truth is not None) and tables[0] not in found:
        raise click.UsageError(
            f"--images: name the images before harmonization too: --images {tables[0]}=COHORT"
        )
    if found and len(found) < 2 and truth is None:
        raise click.UsageError("--images: expected those of a second table, or --true-images")
    if not found:
        return None
    return ImageCohorts({name: found[name] for name in tables if name in found}, truth)


def rating_files(ratings: tuple[Path, ...], key: Path | None) -> RatingFiles | None:
    """Return ratings and key, None where there are none."""
    from harmonize_kit.flows.ratings import RatingFiles

    if bool(ratings) != (key is not None):
        raise click.UsageError("--ratings and --key go together: the files of readers, and key.csv")
    return None if key is None else RatingFiles(ratings, key)


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
