"""harmonize-kit fit."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.table_options import columns_of, table_options


@click.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Model folder."
)
@click.option("--site", required=True, metavar="COL", help="Column that names the site.")
@click.option("--preserve", help="Covariates to keep: 'age + sex' or age,sex.")
@click.option("--categorical", metavar="COLS", help="Covariates that are groups, though numbers.")
@click.option(
    "--method", type=click.Choice(["combat"]), default="combat", show_default=True,
    help="Harmonization method.",
)  # fmt: skip
@click.option("--reference", metavar="SITE", help="Site that stays as it is.")
@click.option("--mean-only", is_flag=True, help="Correct means, leave variances.")
@click.option("--no-eb", is_flag=True, help="No empirical Bayes shrinkage.")
@click.option("--nonparametric", is_flag=True, help="Priors from the features themselves.")
@click.option(
    "--harmonized", type=click.Path(path_type=Path), help="Also write the table, harmonized."
)
@table_options
@command_options
def fit(
    console: Console,
    table: Path,
    output: Path,
    site: str,
    preserve: str | None,
    categorical: str | None,
    method: str,
    reference: str | None,
    mean_only: bool,
    no_eb: bool,
    nonparametric: bool,
    harmonized: Path | None,
    covariates: Path | None,
    features: tuple[str, ...],
    not_features: str | None,
    id_column: str | None,
) -> Outcome:
    """Fit a harmonization model to a feature TABLE.

    The model is a folder of JSON and arrays that holds nothing of any subject. Apply it to other
    cases of the same sites with 'apply'.

    \b
    Examples:
      harmonize-kit fit features.csv -o model --site scanner --preserve "age + sex"
      harmonize-kit fit features.csv -o model --site site --covariates participants.tsv
      harmonize-kit fit features.csv -o model --site site --reference Paris --harmonized out.csv
    """
    from harmonize_kit.config.combat import ComBatConfig
    from harmonize_kit.flows.fit import fit as run_fit
    from harmonize_kit.flows.tables import TableInput

    config = ComBatConfig(
        site=site,
        preserve=preserve,
        categorical=columns_of(categorical),
        reference=reference,
        empirical_bayes=not no_eb,
        parametric=not nonparametric,
        mean_only=mean_only,
    )
    source = TableInput(table, covariates, features, id_column, columns_of(not_features))
    fitted = run_fit(source, output, config, harmonized=harmonized)
    console.say(
        f"Fitted {method} on {sum(fitted.counts)} cases of {len(fitted.sites)} sites, "
        f"{len(fitted.features)} features: {output}"
    )
    if harmonized is not None:
        console.say(f"Harmonized table: {harmonized}")
    document = {
        "model": str(output),
        "method": method,
        "cases": sum(fitted.counts),
        "sites": dict(zip(fitted.sites, fitted.counts, strict=True)),
        "features": len(fitted.features),
        "passed_through": int(fitted.passed_through.sum()),
        "harmonized": str(harmonized) if harmonized is not None else None,
    }
    return Outcome(document)
