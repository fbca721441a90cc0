"""harmonize-kit import-model."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.table_options import columns_of


@click.command("import-model")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Model folder."
)
@click.option(
    "--features",
    multiple=True,
    metavar="NAMES|GLOB",
    help="Names of the features, in order (f1,f2); with --table, which of its columns they are "
    "(repeatable).",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="Table whose features, in order, are those of the model.",
)
@click.option(
    "--not-features", metavar="COLS", help="Columns of numbers of the table that are no features."
)
@click.option(
    "--covariates",
    metavar="NAMES",
    help="Columns of the covariate table, SITE too, in order; for models that do not name them.",
)
@click.option(
    "--site",
    default="SITE",
    show_default=True,
    metavar="COL",
    help="Column of the site in tables the model will be applied to.",
)
@command_options
def import_model(
    console: Console,
    file: Path,
    output: Path,
    features: tuple[str, ...],
    table: Path | None,
    not_features: str | None,
    covariates: str | None,
    site: str,
) -> Outcome:
    """Make a model of FILE, a pickle that neuroHarmonize saved.

    The pickle is read without running it, and every row of a subject in it is left out. A pickle
    holds no names of features: give a table that has them, or the names themselves.

    \b
    Examples:
      harmonize-kit import-model nh_model.pkl -o model --table features.csv
      harmonize-kit import-model nh_model.pkl -o model --table all.csv --features '*_thickness'
      harmonize-kit import-model nh_model.pkl -o model --features volume,thickness --site scanner
    """
    from harmonize_kit.flows.import_model import import_model as run_import
    from harmonize_kit.flows.tables import TableInput

    source = names = None
    if table is not None:
        source = TableInput(table, features=features, not_features=columns_of(not_features))
    elif features:
        names = columns_of(",".join(features))
    fitted = run_import(
        file,
        output,
        features=names,
        table=source,
        covariates=columns_of(covariates) or None,
        site=site,
    )
    console.say(
        f"Imported {len(fitted.features)} features and {len(fitted.sites)} sites "
        f"({', '.join(fitted.sites[:8])}{', ...' if len(fitted.sites) > 8 else ''}): {output}"
    )
    return Outcome(
        {
            "model": str(output),
            "features": list(fitted.features),
            "sites": dict(zip(fitted.sites, fitted.counts, strict=True)),
            "smooth": list(fitted.config.smooth),
        }
    )
