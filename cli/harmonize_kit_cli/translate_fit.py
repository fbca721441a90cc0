"""harmonize-kit translate fit."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.progress import case_progress, duration
from harmonize_kit_cli.table_options import columns_of

if TYPE_CHECKING:
    from harmonize_kit.flows.translate_fit import FitEstimate, FitRun

METHODS = ("zscore", "histogram-matching", "nyul", "curve", "curve-field", "atlas-template")
Method = Literal["zscore", "histogram-matching", "nyul", "curve", "curve-field", "atlas-template"]
NAMED = 5


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Model folder."
)
@click.option("--site", required=True, metavar="COL", help="Column of the sites.")
@click.option(
    "--reference", required=True, metavar="SITE", help="The site whose look images get."
)  # fmt: skip
@click.option("--method", required=True, type=click.Choice(METHODS), help="What is fitted.")
@click.option("--modalities", metavar="NAMES", help="Those to take, as channels in this order.")
@click.option(
    "--grid", type=click.Choice(["common", "box"]), default="common", show_default=True,
    help="Where curve-field and atlas-template average: on the grid that all images were "
    "registered to, or on the brain's bounding box.",
)  # fmt: skip
@click.option(
    "--smooth", type=click.FloatRange(min=0, min_open=True), metavar="MM",
    help="Smoothing of the averages; 24 for a field, 8 for a template.",
)  # fmt: skip
@click.option("--alike", metavar="COLS", help="Covariates that sites must not differ in: age,sex.")
@click.option(
    "--despite-differences",
    is_flag=True,
    help="Fit though sites differ in these beyond the bounds.",
)
@click.option("--id", "id_column", help="Column of the ids, where it has no usual name.")
@click.option("--dry-run", is_flag=True, help="Say what would be fitted on, and do nothing.")
@command_options
def fit(
    console: Console,
    cohort: Path,
    output: Path,
    site: str,
    reference: str,
    method: Method,
    modalities: str | None,
    grid: Literal["common", "box"],
    smooth: float | None,
    alike: str | None,
    despite_differences: bool,
    id_column: str | None,
    dry_run: bool,
) -> Outcome:
    """Fit a translation of images that needs neither networks nor torch.

    zscore, histogram-matching and nyul bring each image, of whatever site, to the scale or
    histogram of the reference's images. curve and curve-field are one invertible change of
    contrast for each site, without and with a smooth field; atlas-template adds the difference of
    the sites' mean images. 'translate apply' takes MODEL as it takes a trained one.

    COHORT is a table as preprocess writes it. With a column 'split', only its rows 'train' are
    looked at.

    \b
    Examples:
      harmonize-kit translate fit heads/cohort.csv -o nyul --site scanner --reference A \\
          --method nyul
      harmonize-kit translate fit heads/cohort.csv -o template --site scanner --reference A \\
          --method atlas-template --alike age,sex
      harmonize-kit translate fit heads/cohort.csv -o curve --site scanner --reference A \\
          --method curve-field --grid box --modalities t1,flair
      harmonize-kit translate apply template heads/cohort.csv -o translated --site scanner
    """
    from harmonize_kit.config.translate_fit import FitConfig
    from harmonize_kit.flows.translate_fit import estimate_fit, fit_baseline

    chosen = columns_of(modalities)
    if dry_run:
        config = FitConfig(method=method, grid=grid, smooth=smooth)
        found = estimate_fit(cohort, output, config, site, reference, chosen, id_column)
        return _tell_estimate(console, found, method)
    start = time.monotonic()
    with case_progress(quiet=console.quiet) as progress:
        run = fit_baseline(
            cohort, output, method=method, site=site, reference=reference, modalities=chosen,
            grid=grid, smooth=smooth, alike=columns_of(alike),
            despite_differences=despite_differences, id_column=id_column, progress=progress,
        )  # fmt: skip
    return _tell(console, run, time.monotonic() - start)


def _tell(console: Console, run: FitRun, seconds: float) -> Outcome:
    for note in run.notes:
        console.say(f"Note: {note}")
    for one in run.unread[:NAMED]:
        console.say(f"  left out: {one.id}: {one.code}: {one.message}")
    if len(run.unread) > NAMED:
        console.say(f"  and {len(run.unread) - NAMED} more (--json lists them)")
    served = f"images of {', '.join(run.sites)}" if run.sites else "images of any site"
    console.say(
        f"Fitted {run.method} on {_counts(run.cases)} in {duration(seconds)}: {run.folder}, "
        f"{served} to {run.reference}"
    )
    document = {
        "model": str(run.folder),
        "method": run.method,
        "reference": run.reference,
        "sites": list(run.sites),
        "cases": run.cases,
        "modalities": list(run.modalities),
        "failed": len(run.unread),
        "failures": [asdict(one) for one in run.unread],
        "notes": list(run.notes),
        "seconds": round(seconds, 3),
    }
    return Outcome(document, exit_codes.SOME_FAILED if run.unread else exit_codes.OK)


def _tell_estimate(console: Console, found: FitEstimate, method: str) -> Outcome:
    for note in found.notes:
        console.say(f"Note: {note}")
    console.say(f"{method} would be fitted on {_counts(found.cases)}")
    for problem in found.problems:
        console.say(f"  {problem}")
    console.say("A dry run: nothing was written")
    return Outcome({"dry_run": True, **asdict(found)})


def _counts(cases: dict[str, int]) -> str:
    return ", ".join(f"{count} of {site}" for site, count in cases.items())
