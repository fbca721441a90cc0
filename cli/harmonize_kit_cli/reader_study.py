"""harmonize-kit reader-study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.judge_options import named_paths


@click.command("reader-study")
@click.argument("cohorts", nargs=-1, required=True, metavar="NAME=COHORT...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--cases", type=click.IntRange(min=1), metavar="N",
    help="Cases of each candidate.  [default: as many as make 44 items, about 20 minutes]",
)  # fmt: skip
@click.option("--modality", metavar="NAME", help="Images to show, where there are several: t1.")
@click.option(
    "--questions", type=click.Path(path_type=Path), metavar="FILE",
    help="YAML with questions, title, introduction and other choices.",
)  # fmt: skip
@click.option(
    "--repeat", type=click.FloatRange(0, 1), metavar="SHARE",
    help="Share of the items that are shown twice.  [default: 0.1]",
)  # fmt: skip
@click.option(
    "--slices", type=click.IntRange(1, 40), metavar="N", help="Of each plane.  [default: 7]"
)
@click.option("--pairs/--no-pairs", default=None, help="Whether cases are shown side by side too.")
@click.option("--site", default="site", show_default=True, metavar="COL")
@click.option("--subject", default="subject", show_default=True, metavar="COL")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="[default: 0]")
@click.option("--force", is_flag=True, help="Replace the key of another study.")
@command_options
def reader_study(
    console: Console,
    cohorts: tuple[str, ...],
    output: Path,
    modality: str | None,
    questions: Path | None,
    site: str,
    subject: str,
    force: bool,
    **chosen: Any,
) -> Outcome:
    """Write a page on which blinded readers rate images, without names and in random order.

    Each cohort is given a name; the first is the state before. The page is one HTML file that
    needs no network and names no case, site or method. Give readers reader_study.html alone:
    key.csv says what they saw. They send back a CSV file, which
    'report --ratings FILE --key key.csv' reads.

    \b
    Examples:
      harmonize-kit reader-study raw=heads/cohort.csv gan=translated/cohort.csv -o study
      harmonize-kit reader-study raw=a.csv gan=b.csv scanner=c.csv -o study --modality t1 --cases 8
      harmonize-kit reader-study raw=a.csv gan=b.csv -o study --questions questions.yaml --seed 7
    """
    from harmonize_kit.config.load import load_file, validate_config
    from harmonize_kit.config.reader_study import ReaderStudyConfig
    from harmonize_kit.flows.reader_study import reader_study as run

    base = ReaderStudyConfig() if questions is None else load_file(questions, ReaderStudyConfig)
    told = {name: value for name, value in chosen.items() if value is not None}
    config = validate_config({**base.model_dump(), **told}, "reader-study", ReaderStudyConfig)
    done = run(
        named_paths(cohorts, "raw=cohort.csv"),
        output,
        config,
        modality=modality,
        site=site,
        subject=subject,
        force=force,
    )
    counts = done.counts
    console.say(
        f"{counts['single']} single images and {counts['pair']} pairs, {counts['repeated']} of "
        f"them second showings: about {counts['minutes']} minutes"
    )
    console.say(f"For readers: {done.page}")
    console.say(f"Not for readers: {done.key}")
    return Outcome({"page": str(done.page), "key": str(done.key), "study": done.study, **counts})
