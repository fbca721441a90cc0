"""harmonize-kit split."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.table_options import columns_of


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the parts."
)
@click.option(
    "--by", metavar="COL", help="Column of the subject; 'subject' where there is one, else the id."
)
@click.option("--stratify", metavar="COLS", help="Columns every part gets in proportion: site,sex.")
@click.option("--categorical", metavar="COLS", help="Columns of numbers that are groups.")
@click.option(
    "--bins", type=int, default=4, show_default=True, metavar="N",
    help="Classes of a measurement such as age.",
)  # fmt: skip
@click.option(
    "--fractions", metavar="F,F[,F]",
    help="Shares of train, validation and test, or of train and test.  [default: 0.7,0.15,0.15]",
)  # fmt: skip
@click.option("--folds", type=int, metavar="K", help="K folds instead of fractions.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N")
@click.option("--column", metavar="NAME", help="Also write cohort.csv with the part in a column.")
@click.option("--id", "id_column", help="Column of the ids, if it has no usual name.")
@command_options
def split(
    console: Console,
    cohort: Path,
    output: Path,
    by: str | None,
    stratify: str | None,
    categorical: str | None,
    bins: int,
    fractions: str | None,
    folds: int | None,
    seed: int,
    column: str | None,
    id_column: str | None,
) -> Outcome:
    """Split a COHORT into train, validation and test cohorts, no subject in two of them.

    Stratified by groups (site, sex) and by classes of measurements (age), in proportion within
    every stratum. The same seed gives the same parts whatever the order of the rows.

    \b
    Examples:
      harmonize-kit split cohort.csv -o parts
      harmonize-kit split cohort.csv -o parts --by subject --stratify site,sex,age
      harmonize-kit split cohort.csv -o parts --fractions 0.8,0.2 --seed 7
      harmonize-kit split cohort.csv -o folds --folds 5 --stratify site --column fold
    """
    from harmonize_kit.config.load import validate_config
    from harmonize_kit.config.split import SplitConfig
    from harmonize_kit.flows.split import split as run_split

    if fractions is not None and folds is not None:
        raise click.UsageError("--fractions and --folds exclude each other; give one")
    chosen = {
        "by": by,
        "stratify": columns_of(stratify),
        "categorical": columns_of(categorical),
        "folds": folds,
        "bins": bins,
        "seed": seed,
        **({} if fractions is None else {"fractions": columns_of(fractions)}),
    }
    config = validate_config(chosen, "split", SplitConfig)
    done = run_split(cohort, output, config, column=column, id_column=id_column)
    for part, counts in done.record["parts"].items():
        console.say(f"{part}: {counts['subjects']} subjects, {counts['cases']} cases")
    console.say(f"Written: {output}")
    files = [str(path) for path in done.files]
    return Outcome({"output": str(output), "files": files, **done.record})
