"""harmonize-kit robustness."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.case_options import case_options, execution_config
from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.extract import tell_estimate
from harmonize_kit_cli.progress import case_progress, duration

if TYPE_CHECKING:
    from harmonize_kit.flows.robustness import RobustnessRun


def _amounts(ctx: click.Context, param: click.Parameter, text: str) -> tuple[float, ...]:
    """Return the numbers of ``"-5,5"``; of ``"none"``, no numbers."""
    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"expected numbers such as -5,5 or none, got '{text}'", ctx, param
        ) from error


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "-p", "--params", default="pyradiomics-default", show_default=True,
    help="Preset, or PyRadiomics parameter file (YAML or JSON).",
)  # fmt: skip
@click.option("--id", "id_column", help="Column of the ids, where it has no usual name.")
@click.option(
    "--translations", callback=_amounts, default="0.25,0.5,0.75", show_default=True,
    help="Shifts of the grid, in voxels; or none.",
)  # fmt: skip
@click.option(
    "--rotations", callback=_amounts, default="-10,-5,5,10", show_default=True,
    help="Angles in the plane of the slices, in degrees; or none.",
)  # fmt: skip
@click.option(
    "--noise", type=int, default=3, show_default=True,
    help="How many times noise is added, as strong as the image's own.",
)  # fmt: skip
@click.option(
    "--volume-changes", callback=_amounts, default="-0.2,-0.1,0.1,0.2", show_default=True,
    help="Growth and shrinkage of the mask, as fractions of its volume; or none.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the chance in all this.")
@click.option("--confidence", type=float, default=0.95, show_default=True, help="Of the intervals.")
@case_options
@command_options
def robustness(
    console: Console,
    cohort: Path,
    output: Path,
    params: str,
    id_column: str | None,
    execution: dict[str, Any],
    dry_run: bool,
    force: bool,
    **perturbations: Any,
) -> Outcome:
    """Tell which features of a COHORT withstand small changes of image and mask.

    Every case is measured as it is, shifted, turned, with noise added, and with its mask grown and
    shrunk. ICC(2,1) with its interval says of each feature how much of its spread lies between
    cases, rather than between perturbations of one case. Takes as long as measuring the cohort
    once for each perturbation; at least two cases are needed, fifty are better.

    \b
    Examples:
      harmonize-kit robustness cohort.csv -o robustness
      harmonize-kit robustness cohort.csv -o robustness --params ct-default --workers 4
      harmonize-kit robustness cohort.csv -o robustness --rotations none --noise 10 --seed 7
    """
    from harmonize_kit.config.load import validate_config
    from harmonize_kit.config.robustness import RobustnessConfig

    config, settings = (
        execution_config(execution),
        validate_config(perturbations, "options", RobustnessConfig),
    )
    if dry_run:
        from harmonize_kit.flows.estimate import estimate_extraction

        found = estimate_extraction(
            cohort, output, params, config,
            force=force, id_column=id_column, robustness=settings,
        )  # fmt: skip
        return tell_estimate(console, found)
    from harmonize_kit.flows.robustness import robustness_to_folder

    start = time.monotonic()
    with case_progress(quiet=console.quiet) as progress:
        run = robustness_to_folder(
            cohort, output, params, settings, config,
            force=force, id_column=id_column, progress=progress,
        )  # fmt: skip
    return _tell(console, run, output, time.monotonic() - start)


def _tell(console: Console, run: RobustnessRun, output: Path, seconds: float) -> Outcome:
    failed = len(run.failures)
    counts = f"{run.computed} cases measured, {run.reused} reused, {failed} failed"
    if run.table is None:
        console.say(f"{run.to_do} cases to go ({counts}); no table was written")
    else:
        console.say(f"{len(run.table)} features in {output}/robustness.csv ({counts})")
        console.say(f"Took {duration(seconds)}")
        for line in _table(run.summary):
            console.say(line)
    for case_id, reason in list(run.incomplete.items())[:5]:
        console.say(f"  {case_id} counts in part only: {reason}")
    for failure in run.failures.head(5).itertuples():
        console.say(f"  {failure.id}: {failure.code}: {failure.message}")
    if failed:
        console.say(f"All failures with their reasons: {output}/failures.csv")
    document = {
        "output": str(output),
        "cases": run.cases,
        "features": 0 if run.table is None else len(run.table),
        "computed": run.computed,
        "reused": run.reused,
        "failed": failed,
        "to_do": run.to_do,
        "incomplete": len(run.incomplete),
        "seconds": round(seconds, 3),
        "summary": run.summary,
        "failures": run.failures.to_dict("records"),
    }
    return Outcome(document, exit_codes.SOME_FAILED if failed else exit_codes.OK)


def _table(summary: dict[str, dict[str, int]]) -> list[str]:
    """Return lines that count features by family and by how far they can be relied on."""
    grades = list(summary["all"])
    width = max((len(family) for family in summary), default=0)
    head = " " * width + "".join(f"{grade:>11}" for grade in grades)
    rows = [
        f"{family:<{width}}" + "".join(f"{count:>11}" for count in counts.values())
        for family, counts in summary.items()
    ]
    return [
        "By the lower end of the interval (excellent above 0.9, good 0.75, moderate 0.5):",
        head,
        *rows,
    ]
