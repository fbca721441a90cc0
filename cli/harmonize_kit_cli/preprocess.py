"""harmonize-kit preprocess."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.case_options import case_options, execution_config
from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.progress import case_progress, duration
from harmonize_kit_cli.table_options import columns_of

if TYPE_CHECKING:
    from harmonize_kit.flows.preprocess import PreprocessingRun
    from harmonize_kit.flows.preprocess_estimate import PreprocessingEstimate


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "-c", "--config", default="brain-mr-t1", show_default=True,
    help="Preset, or configuration file (YAML or JSON).",
)  # fmt: skip
@click.option(
    "--stages", metavar="NAMES",
    help="Stages to run instead of the configuration's, such as n4,register or zscore.",
)  # fmt: skip
@click.option("--classes", metavar="NAMES", help="Classes of a BraTS folder, such as HGG,LGG.")
@click.option("--id", "id_column", help="Column of the ids, where it has no usual name.")
@click.option(
    "--intensity-model", metavar="DIR", type=click.Path(path_type=Path),
    help="Fitted intensity model to apply instead of fitting one.",
)  # fmt: skip
@click.option(
    "--work", metavar="DIR", type=click.Path(path_type=Path),
    help="Folder of the volumes between stages; by default work in the output folder.",
)  # fmt: skip
@click.option("--clean-work", is_flag=True, help="Remove them once a case is done.")
@click.option("--no-sheets", is_flag=True, help="Make no pages of pictures.")
@case_options
@command_options
def preprocess(
    console: Console,
    cohort: Path,
    output: Path,
    config: str,
    stages: str | None,
    classes: str | None,
    id_column: str | None,
    intensity_model: Path | None,
    work: Path | None,
    clean_work: bool,
    no_sheets: bool,
    execution: dict[str, Any],
    dry_run: bool,
    force: bool,
) -> Outcome:
    """Preprocess the images of a COHORT: from raw scans to images ready to measure.

    COHORT is a table with one row a case and the columns Image or Image_<modality>, optional Mask
    (lesion labels) and Brain_mask; or a folder: BIDS, BraTS (CLASS/PATIENT/PATIENT_t1.nii.gz), or
    DICOM series. What is done already is not done again, stage by stage.

    \b
    Stages: convert, quality, n4, strip, resample, coregister, register, normalize (or zscore).
    Presets: brain-mr-t1, brain-mr-glioma, mr-body, ct, brats-zscore.

    \b
    Examples:
      harmonize-kit preprocess cohort.csv -o heads --config brain-mr-t1
      harmonize-kit preprocess cohort.csv -o corrected --stages n4
      harmonize-kit preprocess BraTS/ -o brats --config brats-zscore --classes HGG,LGG --dry-run
      harmonize-kit extract heads/cohort.csv -o features
    """
    from harmonize_kit.flows.preprocess_plan import Options

    own = execution_config(execution)
    options = Options(
        stages, columns_of(classes), id_column, work, clean_work, not no_sheets, intensity_model,
        force,
    )  # fmt: skip
    if dry_run:
        from harmonize_kit.flows.preprocess_estimate import estimate_preprocessing

        return _tell_estimate(console, estimate_preprocessing(cohort, output, config, own, options))
    from harmonize_kit.flows.preprocess import preprocess_to_folder

    start = time.monotonic()
    with case_progress(quiet=console.quiet) as progress:
        run = preprocess_to_folder(cohort, output, config, own, options, progress)
    return _tell_run(console, run, own.shard, time.monotonic() - start)


def _tell_run(
    console: Console, run: PreprocessingRun, shard: str | None, seconds: float
) -> Outcome:
    failed, to_do = run.count("failed"), run.count("to do")
    for note in run.notes:
        console.say(f"Note: {note}")
    _tell_classes(console, run.classes)
    if run.stages:
        told = ", ".join(
            f"{stage} {duration(times['seconds'])}" for stage, times in run.stages.items()
        )
        console.say(f"Took {duration(seconds)}; a case took on average: {told}")
    codes = {str(code): int(n) for code, n in run.failures["code"].value_counts().items()}
    if failed:
        console.say("Failed: " + ", ".join(f"{code} {n}" for code, n in codes.items()))
    for failure in run.failures.head(5).itertuples():
        console.say(f"  {failure.id}: {failure.stage}: {failure.code}: {failure.message}")
    if run.table is not None:
        console.say(f"Images: {run.folder}/images, listed in {run.folder}/cohort.csv")
    elif shard is not None:
        console.say(
            f"Shard {shard}: no table yet, {to_do} cases are to do; the last shard makes it"
        )
    else:
        console.say(f"Stopped with {to_do} cases to go; no table was written")
    if run.log is not None:
        console.say(f"What became of each image: {run.folder}/manifest.csv; log: {run.log}")
    document = {
        "output": str(run.folder),
        **{status.replace(" ", "_"): run.count(status) for status in ("done", "kept", "failed")},
        "to_do": to_do,
        "cases": sum(sum(counts.values()) for counts in run.classes.values()),
        "classes": run.classes,
        "stages": run.stages,
        "seconds": round(seconds, 3),
        "codes": codes,
        "failures": run.failures.to_dict("records"),
        "notes": list(run.notes),
        "log": None if run.log is None else str(run.log),
    }
    return Outcome(document, exit_codes.SOME_FAILED if failed else exit_codes.OK)


def _tell_classes(console: Console, classes: Mapping[str, Mapping[str, int]]) -> None:
    for name, counts in classes.items():
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        total = sum(counts.values())
        console.say(f"{f'{name}: ' if name else ''}{total} cases: {told}")


def _tell_estimate(console: Console, found: PreprocessingEstimate) -> Outcome:
    for note in found.notes:
        console.say(f"Note: {note}")
    _tell_classes(console, found.classes)
    for name, stages in list(found.to_do.items())[:20]:
        console.say(f"  {name}: {', '.join(stages) or 'cannot be read'}")
    if len(found.to_do) > 20:
        console.say(f"  and {len(found.to_do) - 20} more")
    for problem in found.problems[:10]:
        console.say(f"  {problem}")
    if found.seconds is not None:
        workers = f"{found.workers} worker{'s' if found.workers > 1 else ''}"
        at_least = "At least" if found.at_least else "About"
        console.say(
            f"{at_least} {duration(found.seconds)} with {workers}, judging by {found.timed_by}"
        )
    console.say("A dry run: nothing was written")
    return Outcome({"dry_run": True, **asdict(found)})
