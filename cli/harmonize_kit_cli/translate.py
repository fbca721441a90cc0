"""harmonize-kit translate."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.case_options import case_options, execution_config
from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.progress import case_progress, duration
from harmonize_kit_cli.step_progress import training_progress
from harmonize_kit_cli.table_options import columns_of
from harmonize_kit_cli.translate_fit import fit

if TYPE_CHECKING:
    from harmonize_kit.flows.translate_apply import TranslationEstimate, TranslationRun
    from harmonize_kit.flows.translate_train import TrainingRun

Device = Literal["auto", "cpu", "cuda"]
NAMED = 5
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
    help="auto takes a GPU where there is one.",
)  # fmt: skip
allow_option = click.option(
    "--allow", multiple=True, metavar="PACKAGE",
    help="Package that networks of your own may be imported from (repeatable).",
)  # fmt: skip


@click.group()
def translate() -> None:
    """Harmonize images themselves: make those of one site look like another's.

    'fit' learns changes of contrast in seconds; 'train' trains networks, which need torch
    (pip install 'harmonize-kit[image]'). 'apply' uses what either wrote. Judge what comes out by
    report and compare, networks beside what costs nothing (docs/translation.md).

    \b
    Examples:
      harmonize-kit translate fit heads/cohort.csv -o template --site scanner --reference A \\
          --method atlas-template
      harmonize-kit translate train heads/cohort.csv -o model --site scanner --reference A
      harmonize-kit translate apply model heads/cohort.csv -o translated --site scanner
      harmonize-kit extract translated/cohort.csv -o features
    """


translate.add_command(fit)


@translate.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Model folder."
)
@click.option(
    "-c", "--config", default="cyclegan", show_default=True,
    help="Preset (cyclegan, cyclegan-small-cpu), or configuration file (YAML or JSON).",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Refuse to begin anew; what is there is always used.")
@click.option("--site", required=True, metavar="COL", help="Column of the sites.")
@click.option("--reference", metavar="SITE", help="The site whose look images get.")
@click.option("--match", metavar="COLS", help="Covariates that batches are matched on: age,sex.")
@click.option(
    "--alike", metavar="COLS",
    help="Covariates that sites must not differ in; without, those called age and sex.",
)  # fmt: skip
@click.option("--modalities", metavar="NAMES", help="Those to take, as channels in this order.")
@click.option(
    "--despite-differences", is_flag=True,
    help="Train though sites differ in lesions or covariates beyond the bounds.",
)  # fmt: skip
@click.option("--id", "id_column", help="Column of the ids, where it has no usual name.")
@allow_option
@device_option
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the configuration's.")
@click.option("--log-to", metavar="NAMES", help="Logs beside metrics.jsonl: tensorboard,mlflow.")
@click.option(
    "--mlflow-uri", metavar="URI", help="Where MLflow keeps runs, instead of the model folder."
)
@command_options
def train(
    console: Console,
    cohort: Path,
    output: Path,
    config: str,
    resume: bool,
    site: str,
    reference: str | None,
    match: str | None,
    alike: str | None,
    modalities: str | None,
    despite_differences: bool,
    id_column: str | None,
    allow: tuple[str, ...],
    device: Device,
    seed: int | None,
    log_to: str | None,
    mlflow_uri: str | None,
) -> Outcome:
    """Train networks on a COHORT: to the reference site, and back to every other.

    COHORT is a table as preprocess writes it: Image or Image_<modality> with normalised
    intensities, Brain_mask, Mask where there are lesions. With a column 'split', only its rows
    'train' are looked at. A run that was stopped goes on by the same command. On several GPUs of a
    machine, torchrun starts a process for each: together they train on so many batches a step.

    \b
    Examples:
      harmonize-kit translate train heads/cohort.csv -o model --site scanner --reference A
      harmonize-kit translate train heads/cohort.csv -o model --site scanner --reference A \\
          --config cyclegan-small-cpu --match age,sex --modalities t1 --device cpu
      torchrun --nproc-per-node 4 -m harmonize_kit_cli translate train heads/cohort.csv \\
          -o model --site scanner --reference A
    """
    from harmonize_kit.flows.translate import TrainOptions, is_first_process, train_translator

    first = is_first_process()
    if not first:
        # What all have to say is said once; errors of each go to stderr as ever.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    options = TrainOptions(
        site, reference, columns_of(match), columns_of(modalities), id_column, allow, device, seed,
        resume, despite_differences, columns_of(log_to), mlflow_uri, columns_of(alike),
    )  # fmt: skip
    start = time.monotonic()
    with training_progress(quiet=console.quiet or not first) as (cases, steps):
        run = train_translator(cohort, output, options, config, cases, steps)
    return _tell_training(console, run, time.monotonic() - start)


@translate.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--site", metavar="COL", help="Column of the sites; without, all go to the reference."
)
@click.option("--to", metavar="SITE", help="Another site than the reference, from the reference.")
@click.option("--flips", is_flag=True, help="See each slice mirrored as well; gives spread maps.")
@click.option(
    "--planes", is_flag=True,
    help="See coronal and sagittal slices as well; gives spread maps. For voxels of equal sides.",
)  # fmt: skip
@click.option(
    "--guards", metavar="FILE", type=click.Path(path_type=Path),
    help="Bounds beyond which an image is flagged (YAML or JSON).",
)  # fmt: skip
@click.option("--id", "id_column", help="Column of the ids, where it has no usual name.")
@allow_option
@device_option
@case_options
@command_options
def apply(
    console: Console,
    model: Path,
    cohort: Path,
    output: Path,
    site: str | None,
    to: str | None,
    flips: bool,
    planes: bool,
    guards: Path | None,
    id_column: str | None,
    allow: tuple[str, ...],
    device: Device,
    execution: dict[str, Any],
    dry_run: bool,
    force: bool,
) -> Outcome:
    """Translate the images of a COHORT by a fitted or trained MODEL, on their own grids.

    Outside of the brain mask images stay as they are, bit by bit. Cases of the target site are
    taken over unchanged, except by methods that look at an image alone (zscore,
    histogram-matching, nyul), which need no --site. What the model did to each image is measured
    (guards.csv); images beyond a bound are listed in flags.csv: look at them. What is done already
    is not done again.

    \b
    Examples:
      harmonize-kit translate apply model heads/cohort.csv -o translated --site scanner
      harmonize-kit translate apply model heads/cohort.csv -o translated --site scanner --flips
      harmonize-kit extract translated/cohort.csv -o features
    """
    from harmonize_kit.flows.translate import (
        ApplyOptions,
        estimate_translation,
        translate_cohort,
    )

    own = execution_config(execution)
    options = ApplyOptions(
        site, to, flips, planes, guards, id_column, allow, device, force
    )  # fmt: skip
    if dry_run:
        return _tell_estimate(console, estimate_translation(model, cohort, output, options, own))
    start = time.monotonic()
    with case_progress(quiet=console.quiet) as progress:
        run = translate_cohort(model, cohort, output, options, own, progress)
    return _tell_run(console, run, own.shard, time.monotonic() - start)


def _tell_training(console: Console, run: TrainingRun, seconds: float) -> Outcome:
    _tell_notes(console, run.notes)
    for one in run.unread[:NAMED]:
        console.say(f"  left out: {one.id}: {one.code}: {one.message}")
    if run.unread:
        console.say(f"{len(run.unread)} cases were left out: {run.folder}/failures.csv")
    counts = ", ".join(f"{count} of {site}" for site, count in run.cases.items())
    done = f"{run.steps - run.begun_at} of {run.steps} steps now" if run.begun_at else (
        f"{run.steps} steps"
    )  # fmt: skip
    others = [site for site in run.cases if site != run.reference]
    served = "any site" if len(others) > 1 else others[0]
    console.say(
        f"Trained on {run.slices} slices ({counts}), {done}, {run.device}: {run.folder}, images of "
        f"{served} to {run.reference}"
    )
    console.say(f"Took {duration(seconds)}; losses by step: {run.folder}/metrics.jsonl")
    document = {
        "model": str(run.folder),
        "cases": run.cases,
        "reference": run.reference,
        "modalities": list(run.modalities),
        "slices": run.slices,
        "steps": run.steps,
        "begun_at": run.begun_at,
        "failed": len(run.unread),
        "failures": [asdict(one) for one in run.unread],
        "notes": list(run.notes),
        "device": run.device,
        "seconds": round(seconds, 3),
    }
    return Outcome(document, exit_codes.SOME_FAILED if run.unread else exit_codes.OK)


def _tell_run(console: Console, run: TranslationRun, shard: str | None, seconds: float) -> Outcome:
    failed = len(run.failures)
    codes = {str(code): int(n) for code, n in run.failures["code"].value_counts().items()}
    _tell_notes(console, run.notes)
    counts = f"{run.computed} cases done, {run.reused} kept, {failed} failed"
    if run.table is not None:
        console.say(f"Images as of {run.target}, listed in {run.folder}/cohort.csv ({counts})")
    elif shard is not None:
        console.say(f"Shard {shard}: {counts}. No table yet: {run.to_do} cases are to do")
    else:
        console.say(f"Stopped with {run.to_do} cases to go ({counts}); no table was written")
    if run.computed:
        console.say(f"Took {duration(seconds)}, {duration(seconds / run.computed)} a case")
    flagged: list[str] = [] if run.flags is None else sorted(set(run.flags["id"]))
    if run.flags is not None and flagged:
        console.say(f"{len(flagged)} cases pass a bound; look at them: {run.folder}/flags.csv")
        for flag in run.flags.head(NAMED).itertuples():
            console.say(f"  {flag.id}, {flag.modality}: {flag.sentence}")
    if failed:
        console.say("Failed: " + ", ".join(f"{code} {n}" for code, n in codes.items()))
    for failure in run.failures.head(NAMED).itertuples():
        console.say(f"  {failure.id}: {failure.code}: {failure.message}")
    document = {
        "output": str(run.folder),
        "target": run.target,
        "rows": 0 if run.table is None else len(run.table),
        "computed": run.computed,
        "reused": run.reused,
        "copied": run.copied,
        "failed": failed,
        "to_do": run.to_do,
        "flagged": flagged,
        "codes": codes,
        "failures": run.failures.to_dict("records"),
        "notes": list(run.notes),
        "seconds": round(seconds, 3),
    }
    return Outcome(document, exit_codes.SOME_FAILED if failed else exit_codes.OK)


def _tell_estimate(console: Console, found: TranslationEstimate) -> Outcome:
    _tell_notes(console, found.notes)
    to_do = found.cases - found.kept
    console.say(f"{found.cases} cases: {found.kept} kept from before, {to_do} to translate")
    for problem in found.problems[:10]:
        console.say(f"  {problem}")
    if len(found.problems) > 10:
        console.say(f"  and {len(found.problems) - 10} more problems")
    console.say("A dry run: nothing was written")
    return Outcome({"dry_run": True, **asdict(found)})


def _tell_notes(console: Console, notes: tuple[str, ...]) -> None:
    for note in notes[:10]:
        console.say(f"Note: {note}")
    if len(notes) > 10:
        console.say(f"and {len(notes) - 10} more notes (--json lists them)")
