"""harmonize-kit adapt."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.table_options import columns_of, table_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="New model folder."
)
@table_options
@command_options
def adapt(
    console: Console,
    model: Path,
    table: Path,
    output: Path,
    covariates: Path | None,
    features: tuple[str, ...],
    not_features: str | None,
    id_column: str | None,
) -> Outcome:
    """Learn the new site in TABLE against a saved MODEL.

    What the model knows stays as it is, so cases that were harmonized by it need not be done
    again. Covariate effects are taken over from the model: the new site's cases should lie within
    its training ranges.

    \b
    Examples:
      harmonize-kit adapt model new_site.csv -o model2
      harmonize-kit apply model2 new_site.csv -o harmonized.csv
    """
    from harmonize_kit.flows.adapt import adapt as run_adapt
    from harmonize_kit.flows.tables import TableInput

    source = TableInput(table, covariates, features, id_column, columns_of(not_features))
    adapted = run_adapt(model, source, output)
    counts = dict(zip(adapted.sites, adapted.counts, strict=True))
    known = len(adapted.sites) - len(adapted.adapted)
    told = ", ".join(f"{site} ({counts[site]} cases)" for site in adapted.adapted)
    console.say(f"Learned {told} beside {known} sites: {output}")
    return Outcome({"model": str(output), "sites": counts, "adapted": list(adapted.adapted)})
