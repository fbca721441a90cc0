"""harmonize-kit demo."""

from __future__ import annotations

from pathlib import Path

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.table_options import whole_number


@click.command()
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option("--subjects", default=80, show_default=True, type=click.IntRange(min=40))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--images",
    is_flag=True,
    help="The image path instead: two sites in two contrasts, a network trained for minutes.",
)
@click.option("--workers", default="auto", show_default=True, help="Processes: a number, or auto.")
@command_options
def demo(
    console: Console, output: Path, subjects: int, seed: int, images: bool, workers: str
) -> Outcome:
    """Take a phantom cohort through the whole flow, ending with a report.

    Heads with a lesion are simulated on four scanners. Because each is also scanned on one common
    scanner, the report can say the truth beside the estimate.

    \b
    Example:
      harmonize-kit demo -o demo
      harmonize-kit demo --images -o demo-images
    """
    from harmonize_kit.config.execution import ExecutionConfig
    from harmonize_kit.config.load import validate_config

    if images:
        from harmonize_kit.flows.demo_images import demo_images as run_demo
    else:
        from harmonize_kit.flows.demo import demo as run_demo

    execution = validate_config({"workers": whole_number(workers)}, "options", ExecutionConfig)
    page = run_demo(output, seed=seed, subjects=subjects, execution=execution, say=console.say)
    console.say(f"Report: {page}")
    return Outcome({"report": str(page), "output": str(output)})
