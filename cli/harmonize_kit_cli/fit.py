"""harmonize-kit fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.large_options import large_config, large_options
from harmonize_kit_cli.table_options import columns_of, table_options

if TYPE_CHECKING:
    from harmonize_kit.config.combat import ComBatConfig


METHODS = ("combat", "combat-gam", "covbat", "longitudinal", "nested", "neuroharmonize")
SMOOTHING = ("reml", "gcv", "neuroharmonize")


@click.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Model folder."
)
@click.option("--site", metavar="COL", help="Column that names the site.")
@click.option("--preserve", help="Covariates to keep: 'age + sex' or age,sex.")
@click.option("--categorical", metavar="COLS", help="Covariates that are groups, though numbers.")
@click.option(
    "--method", type=click.Choice(METHODS), default="combat", show_default=True,
    help="Harmonization method.",
)  # fmt: skip
@click.option("--smooth", metavar="COLS", help="Covariates with a smooth effect (combat-gam).")
@click.option(
    "--smoothing",
    type=click.Choice(SMOOTHING),
    help="How smooth effects are chosen; reml, unless said otherwise.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help="Of neuroHarmonize's random folds."
)
@click.option("--subject", metavar="COL", help="Column that names the subject (longitudinal).")
@click.option("--batch", metavar="COL", multiple=True, help="Batch variable (nested); repeatable.")
@click.option("--reference", metavar="SITE", help="Site that stays as it is.")
@click.option("--mean-only", is_flag=True, help="Correct means, leave variances.")
@click.option("--no-eb", is_flag=True, help="No empirical Bayes shrinkage.")
@click.option("--nonparametric", is_flag=True, help="Priors from the features themselves.")
@click.option("--robust", is_flag=True, help="Median and biweight midvariance of each site.")
@click.option(
    "--harmonized", type=click.Path(path_type=Path), help="Also write the table, harmonized."
)
@large_options
@table_options
@command_options
def fit(
    console: Console,
    table: Path,
    output: Path,
    site: str | None,
    preserve: str | None,
    categorical: str | None,
    method: str,
    smooth: str | None,
    smoothing: str | None,
    seed: int | None,
    subject: str | None,
    batch: tuple[str, ...],
    reference: str | None,
    mean_only: bool,
    no_eb: bool,
    nonparametric: bool,
    robust: bool,
    harmonized: Path | None,
    covariates: Path | None,
    features: tuple[str, ...],
    not_features: str | None,
    id_column: str | None,
    mask: Path | None,
    large: dict[str, Any],
) -> Outcome:
    """Fit a harmonization model to a feature TABLE.

    The model is a folder of JSON and arrays that holds nothing of any subject. Apply it to other
    cases of the same sites with 'apply', teach it a new site with 'adapt'. A TABLE that does not
    fit into memory is read part by part: a folder of Parquet parts, a Zarr group, images under a
    mask.

    \b
    Examples:
      harmonize-kit fit features.csv -o model --site scanner --preserve "age + sex"
      harmonize-kit fit features.csv -o model --site site --covariates participants.tsv
      harmonize-kit fit features.csv -o model --site site --reference Paris --harmonized out.csv
      harmonize-kit fit features.csv -o model --site site --method combat-gam --smooth age
      harmonize-kit fit table.csv -o m --site SITE --method neuroharmonize --smooth age --seed 1
      harmonize-kit fit visits.csv -o model --site site --method longitudinal --subject person
      harmonize-kit fit features.csv -o model --method nested --batch scanner --batch kernel
      harmonize-kit fit parts/ -o model --site site --memory 2G
      harmonize-kit fit cohort.csv --mask brain.nii.gz -o model --site site --workers 4
    """
    from harmonize_kit.flows.fit import describe_fit
    from harmonize_kit.flows.fit import fit as run_fit
    from harmonize_kit.flows.tables import TableInput

    choices: dict[str, Any] = {
        "preserve": preserve,
        "categorical": columns_of(categorical),
        "smooth": columns_of(smooth),
        "smoothing": smoothing,
        "seed": seed,
        "reference": reference,
        "empirical_bayes": not no_eb,
        "parametric": not nonparametric,
        "mean_only": mean_only,
        "robust": robust,
    }
    config = _config(method, site, subject, batch, choices)
    source = TableInput(table, covariates, features, id_column, columns_of(not_features), mask)
    blocks = large_config(large, needed=source.is_large)
    if blocks is None:
        fitted = run_fit(source, output, config, harmonized=harmonized)
    else:
        from harmonize_kit.flows.fit_large import fit_large

        fitted = fit_large(source, output, config, blocks, harmonized=harmonized)
    document = describe_fit(fitted)
    console.say(
        f"Fitted {method} on {document['cases']} cases of {len(document['sites'])} sites, "
        f"{document['features']} features: {output}"
    )
    if harmonized is not None:
        console.say(f"Harmonized table: {harmonized}")
    written = str(harmonized) if harmonized is not None else None
    return Outcome({"model": str(output), "method": method, **document, "harmonized": written})


def _config(
    method: str,
    site: str | None,
    subject: str | None,
    batch: tuple[str, ...],
    choices: dict[str, Any],
) -> ComBatConfig:
    """Return the configuration of a method, refusing options that it does not take."""
    from harmonize_kit.config.combat import (
        ComBatConfig,
        CovBatConfig,
        LongitudinalComBatConfig,
        NestedComBatConfig,
        NeuroHarmonizeConfig,
    )

    _require_folds(method, choices)
    choices = {name: value for name, value in choices.items() if value is not None}
    for option, given, wanted in (
        ("--smooth", bool(choices["smooth"]), "combat-gam"),
        ("--subject", subject is not None, "longitudinal"),
        ("--batch", bool(batch), "nested"),
    ):
        if method == wanted and not given:
            raise click.UsageError(f"--method {method} needs {option}")
        # These stand on ComBat, with smooth covariates or without.
        if (
            given
            and method != wanted
            and not (option == "--smooth" and method in {"covbat", "nested", "neuroharmonize"})
        ):
            raise click.UsageError(f"{option} belongs to --method {wanted}, got --method {method}")
    if method == "nested":
        if site is not None:
            raise click.UsageError(
                "--method nested takes --batch COL for each variable, not --site"
            )
        return NestedComBatConfig(batches=batch, **choices)
    if site is None:
        raise click.UsageError("Missing option '--site'.")
    if method == "longitudinal":
        return LongitudinalComBatConfig(site=site, subject=subject or "", **choices)
    kinds = {"covbat": CovBatConfig, "neuroharmonize": NeuroHarmonizeConfig}
    return kinds.get(method, ComBatConfig)(site=site, **choices)


def _require_folds(method: str, choices: dict[str, Any]) -> None:
    """Refuse a choice of smoothing where nothing is smooth, and a seed where chance has no part."""
    if choices["smoothing"] is not None and (method == "neuroharmonize" or not choices["smooth"]):
        raise click.UsageError(
            "--smoothing goes with --smooth; --method neuroharmonize has its own and takes none"
        )
    if choices["seed"] is not None and "neuroharmonize" not in (method, choices["smoothing"]):
        raise click.UsageError(
            "--seed goes with --smoothing neuroharmonize or --method neuroharmonize; nothing else "
            "here is left to chance"
        )
    foreign = ("mean_only", "robust") if method == "neuroharmonize" else ()
    if any(choices[name] for name in foreign) or (foreign and not choices["parametric"]):
        raise click.UsageError(
            "neuroHarmonize has no --mean-only, --nonparametric or --robust; choose --method combat"
        )
