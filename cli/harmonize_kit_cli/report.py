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
    """
    from harmonize_kit.config.compare import CompareConfig
    from harmonize_kit.flows.report import report_tables
    from harmonize_kit.flows.tables import TableInput

    named = {
        name: TableInput(path, covariates, features, id_column, columns_of(not_features))
        for name, path in _named(tables, "raw=features.csv").items()
    }
    config = CompareConfig(folds=folds, permutations=permutations, bootstraps=bootstraps, seed=seed)
    card, page = report_tables(
        named, output, site=site, biology=columns_of(biology), outcome=outcome, subject=subject,
        config=config, title=title, show_ids=show_ids, models=_named(models, "combat=model"),
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
