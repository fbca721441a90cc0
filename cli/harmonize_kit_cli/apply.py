"""harmonize-kit apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.large_options import large_config, large_options
from harmonize_kit_cli.table_options import columns_of, table_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Table file; or a folder, where the input is one.",
)
@click.option(
    "--unseen", type=click.Choice(["error", "keep"]), default="error", show_default=True,
    help="What to do with sites the model does not know: stop, or keep rows as they are.",
)  # fmt: skip
@large_options
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
    mask: Path | None,
    large: dict[str, Any],
) -> Outcome:
    """Apply a saved MODEL to a feature TABLE.

    The cases may come from any of the model's sites, one patient included; columns are found by
    name. A TABLE that is read part by part (a folder of Parquet parts, a Zarr group, images under a
    mask) is written as the same kind.

    \b
    Examples:
      harmonize-kit apply model new_patients.csv -o harmonized.csv
      harmonize-kit apply model features.csv -o harmonized.csv --unseen keep
      harmonize-kit apply model values.zarr --covariates people.csv -o harmonized.zarr --memory 2G
      harmonize-kit apply model cohort.csv --mask brain.nii.gz -o harmonized_images
    """
    from harmonize_kit.flows.apply import apply as run_apply
    from harmonize_kit.flows.tables import TableInput

    source = TableInput(table, covariates, features, id_column, columns_of(not_features), mask)
    blocks = large_config(large, needed=source.is_large)
    if blocks is None:
        result = run_apply(model, source, output, unseen=unseen)
        n, p = len(result.ids), len(result.names)
    else:
        from harmonize_kit.flows.apply_large import apply_large

        n, p = apply_large(model, source, output, blocks, unseen=unseen)
    console.say(f"{n} cases, {p} features: {output}")
    return Outcome({"output": str(output), "cases": n, "features": p})
