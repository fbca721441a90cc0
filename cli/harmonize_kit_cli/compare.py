"""harmonize-kit compare."""

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
@click.argument("table", type=click.Path(path_type=Path))
@judge_options
@click.option(
    "--methods", default="raw,combat", show_default=True, metavar="NAMES",
    help="Out of raw, combat, combat-gam, covbat, longitudinal, nested, neuroharmonize.",
)  # fmt: skip
@click.option(
    "--with", "others", multiple=True, metavar="NAME=TABLE",
    help="Features made beforehand, such as of translated images: judged as NAME and, under each "
    "method, as NAME+METHOD (repeatable).",
)  # fmt: skip
@click.option(
    "--preserve",
    help="Covariates the methods keep: age,sex or a formula; '' for none.  [default: --biology]",
)
@click.option("--categorical", metavar="COLS", help="Covariates that are groups, though numbers.")
@click.option(
    "--smooth", metavar="COLS",
    help="Covariates with a smooth effect (combat-gam, neuroharmonize).  "
    "[default: preserved numbers; neuroharmonize none]",
)  # fmt: skip
@click.option(
    "--batch", metavar="COL", multiple=True,
    help="Batch variable beside the site (nested); repeatable.",
)  # fmt: skip
@click.option("--title", default="Comparison of harmonization methods", show_default=True)
@image_options
@table_options
@command_options
def compare(
    console: Console,
    table: Path,
    output: Path,
    site: str,
    biology: str | None,
    outcome: str | None,
    subject: str | None,
    folds: int,
    permutations: int,
    bootstraps: int,
    show_ids: bool,
    split: str | None,
    seed: int,
    methods: str,
    others: tuple[str, ...],
    preserve: str | None,
    categorical: str | None,
    smooth: str | None,
    batch: tuple[str, ...],
    title: str,
    images: tuple[str, ...],
    true_images: Path | None,
    ratings: tuple[Path, ...],
    key: Path | None,
    covariates: Path | None,
    features: tuple[str, ...],
    not_features: str | None,
    id_column: str | None,
) -> Outcome:
    """Compare harmonization methods on one feature TABLE, refitting each inside the folds.

    A method never sees the cases it is judged on: in every fold of a cross-validation, grouped by
    subject and stratified by site, it is fitted to the other cases. Writes the files of 'report'.

    A site with fewer subjects than folds cannot be in every training set; it stays in the scores
    of the whole table, is left out of the held-out ones, and is named in the report.

    --with puts other features of the same cases beside it, such as of images that 'translate apply'
    made. Only cases and features that all tables have are judged, and none that column 'split' of
    such a table calls train.

    \b
    Examples:
      harmonize-kit compare features.csv -o compared --site scanner --methods raw,combat,covbat
      harmonize-kit compare features.csv -o compared --site site --biology age,sex \\
          --methods raw,combat,combat-gam,covbat --smooth age
      harmonize-kit compare visits.csv -o compared --site site --subject person \\
          --methods raw,combat,longitudinal
      harmonize-kit compare raw/features.csv -o compared --site scanner --methods raw,combat \\
          --with cyclegan=gan/features.csv --with template=template/features.csv
      harmonize-kit compare raw/features.csv -o compared --site scanner \\
          --with cyclegan=gan/features.csv --images raw=heads/cohort.csv \\
          --images cyclegan=translated/cohort.csv
    """
    from harmonize_kit.config.compare import CompareConfig
    from harmonize_kit.errors import ConfigError
    from harmonize_kit.flows.compare import compare_methods
    from harmonize_kit.flows.methods import RAW, MethodChoices, check_methods
    from harmonize_kit.flows.tables import TableInput

    kept = columns_of(biology)
    choices = MethodChoices(
        site=site,
        preserve=(",".join(kept) or None) if preserve is None else (preserve.strip() or None),
        categorical=columns_of(categorical),
        smooth=columns_of(smooth),
        subject=subject,
        batches=batch,
    )
    try:
        names = check_methods(columns_of(methods), choices)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    config = CompareConfig(folds=folds, permutations=permutations, bootstraps=bootstraps, seed=seed)
    beside = _beside(others, names)
    sources = {
        name: TableInput(path, covariates, features, id_column, columns_of(not_features))
        for name, path in {RAW: table, **beside}.items()
    }
    pictured = image_cohorts(images, list(sources), true_images)
    card, page = compare_methods(
        sources.pop(RAW), output, names, choices, biology=kept, outcome=outcome, config=config,
        title=title, show_ids=show_ids, others=sources, split=columns_of(split), images=pictured,
        ratings=rating_files(ratings, key),
    )  # fmt: skip
    say_site_prediction(console, card)
    console.say(f"Report: {page}")
    return Outcome(
        {
            "report": str(page),
            "output": str(output),
            "methods": list(names),
            "scores": card.to_records(),
        }
    )


def _beside(texts: tuple[str, ...], methods: tuple[str, ...]) -> dict[str, Path]:
    """Return the other tables, whose names must not be those of methods."""
    found = named_paths(texts, "cyclegan=features.csv")
    for name in found:
        if name in methods or "+" in name:
            raise click.UsageError(
                f"--with {name}: expected a name that is no method and holds no '+', such as "
                "cyclegan"
            )
    return found
