"""harmonize-kit report."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.table_options import columns_of, table_options


@click.command()
@click.argument("tables", nargs=-1, required=True, metavar="NAME=TABLE...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option("--site", required=True, metavar="COL", help="Column that names the site.")
@click.option("--biology", metavar="COLS", help="Covariates to be kept: age,sex.")
@click.option("--outcome", metavar="COL", help="Outcome to be predicted.")
@click.option("--subject", metavar="COL", help="Subject, where subjects have several cases.")
@click.option("--title", default="Site-effect report", show_default=True)
@click.option("--folds", default=5, show_default=True, type=click.IntRange(min=2))
@click.option("--permutations", default=200, show_default=True, type=click.IntRange(min=0))
@click.option("--bootstraps", default=500, show_default=True, type=click.IntRange(min=0))
@click.option("--show-ids", is_flag=True, help="Name cases in the figures (off: a report travels).")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
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
    """
    from harmonize_kit.config.compare import CompareConfig
    from harmonize_kit.flows.report import report_tables
    from harmonize_kit.flows.tables import TableInput

    named: dict[str, TableInput] = {}
    for text in tables:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise click.UsageError(f"expected NAME=TABLE, such as raw=features.csv, got '{text}'")
        if name in named:
            raise click.UsageError(f"the name '{name}' is given twice")
        named[name] = TableInput(
            Path(path), covariates, features, id_column, columns_of(not_features)
        )
    config = CompareConfig(folds=folds, permutations=permutations, bootstraps=bootstraps, seed=seed)
    card, page = report_tables(
        named, output, site=site, biology=columns_of(biology), outcome=outcome, subject=subject,
        config=config, title=title, show_ids=show_ids,
    )  # fmt: skip
    for score in card:
        if score.metric == "site_balanced_accuracy_linear":
            between = "" if score.interval is None else " [{:.2f}, {:.2f}]".format(*score.interval)
            null = score.null
            chance = "" if null is None else f"; chance {null.low:.2f} to {null.high:.2f}"
            below = null is not None and score.value < null.low
            console.say(
                f"{score.candidate}: site told from features with balanced accuracy "
                f"{score.value:.2f}{between}{chance}"
                + (": below chance, which is no better than chance" if below else "")
            )
    console.say(f"Report: {page}")
    return Outcome({"report": str(page), "output": str(output), "scores": card.to_records()})
