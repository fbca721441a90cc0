"""harmonize-kit report."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.judge_options import judge_options, say_site_prediction
from harmonize_kit_cli.table_options import columns_of, table_options


@click.command()
@click.argument("tables", nargs=-1, required=True, metavar="NAME=TABLE...")
@judge_options
@click.option("--title", default="Site-effect report", show_default=True)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME=MODEL",
    help="Saved model of a table: its shrinkage and training range are shown.",
)
@click.option(
    "--images",
    multiple=True,
    metavar="NAME=COHORT",
    help="Images the table of this name was measured in, to be judged and shown; the first table's "
    "come first, and their masks are lesions.",
)
@click.option(
    "--true-images",
    type=click.Path(path_type=Path),
    metavar="COHORT",
    help="The same cases on the scanner that is aimed at.",
)
@table_options
@command_options
def report(
    console: Console,
    tables: tuple[str, ...],
    output: Path,
    site: str,
    biology: str | None,
    outcome: str | None,
    subject: str | None,
    title: str,
    models: tuple[str, ...],
    images: tuple[str, ...],
    true_images: Path | None,
    folds: int,
    permutations: int,
    bootstraps: int,
    show_ids: bool,
    seed: int,
    covariates: Path | None,
    features: tuple[str, ...],
    not_features: str | None,
    id_column: str | None,
) -> Outcome:
    """Judge feature tables side by side: how much site is left, how much biology is kept.

    Each table is given a name; the first is the state before harmonization. The report is one
    HTML file that needs no network, with its numbers in report.json and scores.csv.

    \b
    Examples:
      harmonize-kit report raw=features.csv combat=harmonized.csv -o report --site scanner
      harmonize-kit report raw=a.csv combat=b.csv -o report --site site --biology age,sex
      harmonize-kit report raw=a.csv combat=b.csv -o report --site site --model combat=model
      harmonize-kit report raw=a.csv gan=b.csv -o report --site site \\
          --images raw=cohort.csv --images gan=made/cohort.csv --true-images one_scanner.csv
    """
    from harmonize_kit.config.compare import CompareConfig
    from harmonize_kit.flows.report import report_tables
    from harmonize_kit.flows.tables import TableInput

    named = {
        name: TableInput(path, covariates, features, id_column, columns_of(not_features))
        for name, path in _named(tables, "raw=features.csv").items()
    }
    pictured = _images(images, list(named), true_images)
    config = CompareConfig(folds=folds, permutations=permutations, bootstraps=bootstraps, seed=seed)
    card, page = report_tables(
        named, output, site=site, biology=columns_of(biology), outcome=outcome, subject=subject,
        config=config, title=title, show_ids=show_ids, models=_named(models, "combat=model"),
        images=pictured, true_images=true_images,
    )  # fmt: skip
    say_site_prediction(console, card)
    console.say(f"Report: {page}")
    return Outcome({"report": str(page), "output": str(output), "scores": card.to_records()})


def _named(texts: tuple[str, ...], example: str) -> dict[str, Path]:
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


def _images(texts: tuple[str, ...], tables: list[str], truth: Path | None) -> dict[str, Path]:
    """Return the cohorts of images, the state before first."""
    found = _named(texts, "gan=cohort.csv")
    unknown = [name for name in found if name not in tables]
    if unknown:
        raise click.UsageError(f"--images: there is no table named '{unknown[0]}'")
    if (found or truth is not None) and tables[0] not in found:
        raise click.UsageError(
            f"--images: name the images before harmonization too: --images {tables[0]}=COHORT"
        )
    if found and len(found) < 2 and truth is None:
        raise click.UsageError("--images: expected those of a second table, or --true-images")
    return {name: found[name] for name in tables if name in found}
