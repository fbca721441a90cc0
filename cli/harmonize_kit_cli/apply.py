"""harmonize-kit apply."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.table_options import columns_of, table_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("table", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Table file.")
@click.option(
    "--unseen", type=click.Choice(["error", "keep"]), default="error", show_default=True,
    help="What to do with sites the model does not know: stop, or keep rows as they are.",
)  # fmt: skip
@table_options
@command_options
def apply(
    console: Console,
    model: Path,
    table: Path,
    output: Path,
    unseen: Literal["error", "keep"],
    covariates: Path | None,
    features: tuple[str, ...],
    not_features: str | None,
    id_column: str | None,
) -> Outcome:
    """Apply a saved MODEL to a feature TABLE.

    The cases may come from any of the model's sites, one patient included; columns are found by
    name.

    \b
    Examples:
      harmonize-kit apply model new_patients.csv -o harmonized.csv
      harmonize-kit apply model features.csv -o harmonized.csv --unseen keep
    """
    from harmonize_kit.flows.apply import apply as run_apply
    from harmonize_kit.flows.tables import TableInput

    source = TableInput(table, covariates, features, id_column, columns_of(not_features))
    result = run_apply(model, source, output, unseen=unseen)
    console.say(f"{len(result.ids)} cases, {len(result.names)} features: {output}")
    return Outcome({"output": str(output), "cases": len(result.ids), "features": len(result.names)})
