"""harmonize-kit inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harmonize_kit_cli.console import Console, Outcome, command_options
from harmonize_kit_cli.inspect_translation import say_translation


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@command_options
def inspect(console: Console, model: Path) -> Outcome:
    """Say what a saved MODEL was fitted on and with; no subject's data is in it.

    MODEL is a folder that fit, adapt, federate, import-model, translate fit or translate train
    wrote. One that was damaged or changed is refused (exit code 7).

    \b
    Examples:
      harmonize-kit inspect model
      harmonize-kit inspect model --json
      harmonize-kit inspect template
    """
    from harmonize_kit.flows.inspect import inspect as run_inspect

    found = run_inspect(model)
    by = found["made_by"].get("versions", {}).get("harmonize-kit")
    console.say(f"{found['kind']} {found['digest']}{f', by harmonize-kit {by}' if by else ''}")
    if "modalities" in found:
        say_translation(console, found)
    else:
        _say_harmonizer(console, found)
    return Outcome(found)


def _say_harmonizer(console: Console, found: dict[str, Any]) -> None:
    chosen = found["configuration"]
    columns = ", ".join(stage["batch"] for stage in found["stages"])
    console.say(f"  site column   {columns}")
    console.say(f"  preserves     {chosen['preserve'] or 'nothing'}")
    console.say(f"  reference     {chosen['reference'] or 'none (pooled)'}")
    console.say(f"  cases         {found['cases']}")
    through = len(found["passed_through"])
    console.say(f"  features      {len(found['features'])}, {through} of them passed through")
    for name, about in found["covariates"].items():
        detail = about.get("levels") or "{:g} to {:g}".format(*about["range"])
        console.say(f"  covariate     {name}: {detail}{', smooth' if about.get('smooth') else ''}")
    if "components" in found:
        console.say(f"  components    {found['components']} corrected")
    if found["adapted"]:
        console.say(f"  adapted to    {', '.join(found['adapted'])}")
    for stage in found["stages"]:
        console.say(f"  {stage['batch']:<24} cases    shift (RMS, SD)    variance ratio")
        for name, about in stage["sites"].items():
            console.say(
                f"    {name:<22} {about['cases']:>5} {about['root_mean_square_shift']:>18.3f} "
                f"{about['geometric_mean_variance_ratio']:>17.3f}"
            )
