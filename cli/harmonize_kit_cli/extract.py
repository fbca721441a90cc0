"""harmonize-kit extract."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.case_options import case_options, execution_config
from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.progress import case_progress, duration

if TYPE_CHECKING:
    from harmonize_kit.flows.estimate import Estimate
    from harmonize_kit.flows.extract import ExtractionRun


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "-p", "--params", default="pyradiomics-default", show_default=True,
    help="Preset, or PyRadiomics parameter file (YAML or JSON).",
)  # fmt: skip
@click.option("--id", "id_column", help="Column of the ids, where it has no usual name.")
@click.option("--voxel", is_flag=True, help="Make maps of the features (NRRD) instead of a table.")
@click.option(
    "--engine", type=click.Choice(["auto", "native", "pyradiomics"]), default="auto",
    show_default=True, help="pyradiomics: untouched, slow; the others give its numbers.",
)  # fmt: skip
@case_options
@command_options
def extract(
    console: Console,
    cohort: Path,
    output: Path,
    params: str,
    id_column: str | None,
    voxel: bool,
    engine: Literal["auto", "native", "pyradiomics"],
    execution: dict[str, Any],
    dry_run: bool,
    force: bool,
) -> Outcome:
    """Extract radiomic features of a COHORT with PyRadiomics.

    COHORT is a table (.csv, .tsv, .parquet) with one row a case and the columns Image and Mask; a
    PyRadiomics batch file works unchanged. Cases that were measured before are not measured again.

    \b
    Examples:
      harmonize-kit extract cohort.csv -o features
      harmonize-kit extract cohort.csv -o features --params mr-default --workers 4
      harmonize-kit extract batch.csv -o features --params Params.yaml --dry-run
      harmonize-kit extract cohort.csv -o features --cluster slurm.yaml
    """
    config = execution_config(execution)
    if dry_run:
        from harmonize_kit.flows.estimate import estimate_extraction

        found = estimate_extraction(
            cohort, output, params, config,
            force=force, id_column=id_column, engine=engine, voxel=voxel,
        )  # fmt: skip
        return tell_estimate(console, found)
    from harmonize_kit.flows.extract import extract_to_folder

    start = time.monotonic()
    with case_progress(quiet=console.quiet) as progress:
        run = extract_to_folder(
            cohort, output, params, config,
            force=force, id_column=id_column, engine=engine, voxel=voxel, progress=progress,
        )  # fmt: skip
    return _tell_run(console, run, output, config.shard, time.monotonic() - start)


def _tell_run(
    console: Console, run: ExtractionRun, output: Path, shard: str | None, seconds: float
) -> Outcome:
    failed = len(run.failures)
    codes = {str(code): int(n) for code, n in run.failures["code"].value_counts().items()}
    counts = f"{run.computed} cases measured, {run.reused} reused, {failed} failed"
    rows = 0 if run.table is None else len(run.table.ids)
    features = 0 if run.table is None else len(run.table.names)
    if run.table is not None:
        console.say(f"{rows} rows of {features} features in {output}/features.csv ({counts})")
    elif run.maps is not None:
        console.say(f"Maps of {len(run.maps)} regions, listed in {output}/maps.csv ({counts})")
    elif shard is not None:
        console.say(
            f"Shard {shard}: {counts}. No table yet: {run.to_do} cases have neither result nor "
            "failure. The last shard writes it, or the same command without --shard"
        )
    else:
        console.say(f"Stopped with {run.to_do} cases to go ({counts}); no table was written")
    if run.computed:
        console.say(f"Took {duration(seconds)}, {run.computed / seconds:.2g} cases a second")
    if failed:
        console.say("Failed: " + ", ".join(f"{code} {n}" for code, n in codes.items()))
    for failure in run.failures.head(5).itertuples():
        console.say(f"  {failure.id}: {failure.code}: {failure.message}")
    if failed and (shard is None or not run.to_do):
        console.say(f"All failures with their reasons: {output}/failures.csv")
    document = {
        "output": str(output),
        "cases": run.cases,
        "rows": rows,
        "features": features,
        "computed": run.computed,
        "reused": run.reused,
        "failed": failed,
        "to_do": run.to_do,
        "seconds": round(seconds, 3),
        "codes": codes,
        "failures": run.failures.to_dict("records"),
    }
    return Outcome(document, exit_codes.SOME_FAILED if failed else exit_codes.OK)


def tell_estimate(console: Console, found: Estimate) -> Outcome:
    """Say what a dry run found."""
    to_do = found.cases - found.kept
    console.say(f"{found.cases} cases: {found.kept} kept from before, {to_do} to measure")
    for problem in found.problems[:10]:
        console.say(f"  {problem}")
    if len(found.problems) > 10:
        console.say(f"  and {len(found.problems) - 10} more problems")
    if found.seconds is not None and found.low is not None and found.high is not None:
        workers = f"{found.workers} worker{'s' if found.workers > 1 else ''}"
        console.say(
            f"About {duration(found.seconds)} with {workers}, between {duration(found.low)} and "
            f"{duration(found.high)}, judging by {found.sample} cases"
        )
    console.say("A dry run: nothing was written")
    return Outcome({"dry_run": True, **asdict(found)})
