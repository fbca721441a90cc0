"""harmonize-kit validate."""

from __future__ import annotations

import click

from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.console import Console, Outcome, command_options


@click.command()
@click.argument("file")
@click.option("--id", "id_column", help="Column of the ids, where it has no usual name.")
@command_options
def validate(console: Console, file: str, id_column: str | None) -> Outcome:
    """Check a cohort, a feature table, a parameter file or a preset: every problem at once.

    \b
    Examples:
      harmonize-kit validate cohort.csv
      harmonize-kit validate Params.yaml
      harmonize-kit validate mr-default
    """
    from harmonize_kit.flows.validate import validate as run_validate

    found = run_validate(file, id_column)
    for problem in found.problems:
        click.echo(problem, err=True)
    if found.problems:
        console.say(f"{file}: {len(found.problems)} problem{'s' * (len(found.problems) > 1)}")
    else:
        console.say(f"{file}: valid {found.kind}: {found.summary}")
    document = {"kind": found.kind, "summary": found.summary, "problems": list(found.problems)}
    return Outcome(document, exit_codes.INVALID if found.problems else exit_codes.OK)
