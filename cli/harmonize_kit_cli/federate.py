"""harmonize-kit federate."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.table_options import columns_of, table_options


@click.group()
def federate() -> None:
    """Fit one model over sites that keep their cases: they send sums.

    All sites agree on a plan: site column, covariates with their ranges or levels, options. Each
    summarizes its table; one place combines the messages; each site finishes its model. The result
    is that of a fit of all cases in one place with the same plan.

    \b
    Examples:
      harmonize-kit federate summarize features.csv --plan plan.yaml -o paris
      harmonize-kit federate combine paris berlin rome -o combined
      harmonize-kit federate finish combined paris -o model
    """


@federate.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "--plan", required=True, type=click.Path(path_type=Path), help="What all sites agreed on."
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Message folder."
)
@click.option(
    "--minimum-cases", type=click.IntRange(min=3), metavar="N",
    help="Fewest cases behind a sum, if more than the plan asks for.",
)  # fmt: skip
@table_options
@command_options
def summarize(
    console: Console,
    table: Path,
    plan: Path,
    output: Path,
    minimum_cases: int | None,
    covariates: Path | None,
    features: tuple[str, ...],
    not_features: str | None,
    id_column: str | None,
) -> Outcome:
    """Write the sums over each site of a feature TABLE as a message.

    The message holds no case, id or covariate of a subject. Sums that would tell of a few cases
    are refused.

    \b
    Examples:
      harmonize-kit federate summarize features.csv --plan plan.yaml -o paris
      harmonize-kit federate summarize features.csv --plan plan.yaml --covariates people.tsv -o rome
    """
    from harmonize_kit.flows.federate import summarize as run_summarize
    from harmonize_kit.flows.tables import TableInput

    source = TableInput(table, covariates, features, id_column, columns_of(not_features))
    summary = run_summarize(source, plan, output, minimum_cases=minimum_cases)
    counts = {site: own.count for site, own in summary.sums.items()}
    console.say(
        f"Sums of {_told(counts)}, {len(summary.features)} features, "
        f"{len(summary.columns)} covariate columns: {output}"
    )
    return Outcome({"message": str(output), "sites": counts, "features": len(summary.features)})


@federate.command()
@click.argument("messages", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Message folder."
)
@command_options
def combine(console: Console, messages: tuple[Path, ...], output: Path) -> Outcome:
    """Combine the MESSAGES of all sites.

    The result holds covariate effects, grand means and pooled variances, which every site needs,
    and nothing of one site but its name and number of cases (and, with a reference site, means and
    variances of that one).

    \b
    Examples:
      harmonize-kit federate combine paris berlin rome -o combined
    """
    from harmonize_kit.flows.federate import combine as run_combine

    combination = run_combine(messages, output)
    counts = dict(combination.counts)
    console.say(f"Combined {_told(counts)}, {len(combination.features)} features: {output}")
    return Outcome(
        {
            "combined": str(output),
            "sites": counts,
            "features": len(combination.features),
            "passed_through": int(combination.passed_through.sum()),
        }
    )


@federate.command()
@click.argument("combined", type=click.Path(path_type=Path))
@click.argument("messages", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Model folder."
)
@command_options
def finish(console: Console, combined: Path, messages: tuple[Path, ...], output: Path) -> Outcome:
    """Make a model of what was COMBINED and the MESSAGES of some or all sites.

    A site gives its own message and gets a model for its own cases, with the numbers of the model
    of all sites; the messages of all sites give that one. 'apply' takes either.

    \b
    Examples:
      harmonize-kit federate finish combined paris -o model
      harmonize-kit federate finish combined paris berlin rome -o model
      harmonize-kit apply model features.csv -o harmonized.csv
    """
    from harmonize_kit.flows.federate import finish as run_finish

    fitted = run_finish(combined, messages, output)
    counts = dict(zip(fitted.sites, fitted.counts, strict=True))
    console.say(f"Model of {_told(counts)}, {len(fitted.features)} features: {output}")
    return Outcome({"model": str(output), "sites": counts, "features": len(fitted.features)})


def _told(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{site} ({count} cases)" for site, count in list(counts.items())[:8])
    return shown + (f" and {len(counts) - 8} more sites" if len(counts) > 8 else "")
