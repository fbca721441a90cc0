"""harmonize-kit doctor."""

from __future__ import annotations

from dataclasses import asdict

import click

from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.console import Console, Outcome, command_options


@click.command()
@command_options
def doctor(console: Console) -> Outcome:
    """Say what is installed and what works here, with a known-answer extraction.

    \b
    Examples:
      harmonize-kit doctor
      harmonize-kit doctor --json
    """
    from harmonize_kit.flows.doctor import doctor as run_doctor

    checks = run_doctor()
    for check in checks:
        mark = "ok" if check.ok else ("FAILED" if check.required else "-")
        console.say(f"{mark:>7}  {check.name:<24} {check.found}")
    healthy = all(check.ok for check in checks if check.required)
    document = {"checks": [asdict(check) for check in checks]}
    return Outcome(document, exit_codes.OK if healthy else exit_codes.DEPENDENCY)
