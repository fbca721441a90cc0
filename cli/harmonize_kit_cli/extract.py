"""harmonize-kit extract."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.progress import case_progress
from harmonize_kit_cli.table_options import whole_number


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "-p", "--params", default="pyradiomics-default", show_default=True,
    help="Preset, or PyRadiomics parameter file (YAML or JSON).",
)  # fmt: skip
@click.option("--id", "id_column", help="Column of the ids, where it has no usual name.")
@click.option("--workers", default="auto", show_default=True, help="Processes: a number, or auto.")
@click.option("--scheduler", help="Address of a running Dask scheduler, tcp://host:8786.")
@click.option("--memory-per-worker", help="Memory limit of each worker, such as 4GB.")
@click.option(
    "--on-error", type=click.Choice(["skip", "stop"]), default="skip", show_default=True,
    help="Whether the other cases go on when one fails.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Measure again what was measured before.")
@command_options
def extract(
    console: Console,
    cohort: Path,
    output: Path,
    params: str,
    id_column: str | None,
    workers: str,
    scheduler: str | None,
    memory_per_worker: str | None,
    on_error: str,
    force: bool,
) -> Outcome:
    """Extract radiomic features of a COHORT with PyRadiomics.

    COHORT is a table (.csv, .tsv, .parquet) with one row a case and the columns Image and Mask; a
    PyRadiomics batch file works unchanged. Cases that were measured before are not measured again.

    \b
    Examples:
      harmonize-kit extract cohort.csv -o features
      harmonize-kit extract cohort.csv -o features --params mr-default --workers 4
      harmonize-kit extract batch.csv -o features --params Params.yaml
    """
    from harmonize_kit.config.execution import ExecutionConfig
    from harmonize_kit.config.load import validate_config
    from harmonize_kit.flows.extract import extract_to_folder

    execution = validate_config(
        {
            "workers": whole_number(workers),
            "scheduler": scheduler,
            "memory_per_worker": memory_per_worker,
            "on_error": on_error,
        },
        "options",
        ExecutionConfig,
    )
    with case_progress(quiet=console.quiet) as progress:
        run = extract_to_folder(
            cohort, output, params, execution, force=force, id_column=id_column, progress=progress
        )
    failed = len(run.failures)
    stopped = run.cases - run.computed - run.reused - failed
    counts = f"{run.computed} cases measured, {run.reused} reused, {failed} failed"
    if stopped:
        console.say(f"Stopped with {stopped} cases to go ({counts}); no table was written")
    else:
        console.say(
            f"{len(run.table.ids)} rows of {len(run.table.names)} features in "
            f"{output}/features.csv ({counts})"
        )
    for failure in run.failures.head(5).itertuples():
        console.say(f"  {failure.id}: {failure.code}: {failure.message}")
    if failed:
        console.say(f"All failures with their reasons: {output}/failures.csv")
    document = {
        "output": str(output),
        "cases": run.cases,
        "rows": len(run.table.ids),
        "features": len(run.table.names),
        "computed": run.computed,
        "reused": run.reused,
        "failed": failed,
        "failures": run.failures.to_dict("records"),
    }
    return Outcome(document, exit_codes.SOME_FAILED if failed else exit_codes.OK)
