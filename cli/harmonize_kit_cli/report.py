"""harmonize-kit report."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.judge_options import (
    image_cohorts,
    image_options,
    judge_options,
    named_paths,
    rating_files,
    say_site_prediction,
)
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
@image_options
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
    ratings: tuple[Path, ...],
    key: Path | None,
    folds: int,
    permutations: int,
    bootstraps: int,
    show_ids: bool,
    split: str | None,
    seed: int,
    covariates: Path | None,
    features: tuple[str, ...],
    not_features: str | None,
    id_column: str | None,
) -> Outcome:
    """Judge feature tables side by side: how much site is left, how much biology is kept.

    Each table is given a name; the first is the state before harmonization. The report is one
    HTML file that needs no network, with its numbers in report.json and scores.csv.

    Of translated images, cases that column 'split' calls train are not judged. What 'translate
    apply' found of its images is shown where it lies beside a cohort of --images.

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
        for name, path in named_paths(tables, "raw=features.csv").items()
    }
    pictured = image_cohorts(images, list(named), true_images)
    config = CompareConfig(folds=folds, permutations=permutations, bootstraps=bootstraps, seed=seed)
    card, page = report_tables(
        named, output, site=site, biology=columns_of(biology), outcome=outcome, subject=subject,
        config=config, title=title, show_ids=show_ids, models=named_paths(models, "combat=model"),
        images=pictured, split=columns_of(split),
        ratings=rating_files(ratings, key),
    )  # fmt: skip
    say_site_prediction(console, card)
    console.say(f"Report: {page}")
    return Outcome({"report": str(page), "output": str(output), "scores": card.to_records()})
