"""harmonize-kit: assembles the commands and turns errors into exit codes."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import click

from harmonize_kit.errors import HarmonizeError
from harmonize_kit_cli import exit_codes
from harmonize_kit_cli.adapt import adapt
from harmonize_kit_cli.apply import apply
from harmonize_kit_cli.compare import compare
from harmonize_kit_cli.console import complain, complain_json
from harmonize_kit_cli.demo import demo
from harmonize_kit_cli.doctor import doctor
from harmonize_kit_cli.extract import extract
from harmonize_kit_cli.federate import federate
from harmonize_kit_cli.fit import fit
from harmonize_kit_cli.import_model import import_model
from harmonize_kit_cli.inspect import inspect
from harmonize_kit_cli.preprocess import preprocess
from harmonize_kit_cli.reader_study import reader_study
from harmonize_kit_cli.report import report
from harmonize_kit_cli.robustness import robustness
from harmonize_kit_cli.split import split
from harmonize_kit_cli.translate import translate
from harmonize_kit_cli.validate import validate

# Modules that call back, and catch what is raised in a call back.
SWALLOWING = frozenset({"asyncio", "tornado", "weakref", "_weakrefset"})
HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
_asked_to_stop: list[int] = []


class Terminated(BaseException):
    """SIGTERM arrived, as when a batch system takes the machine back."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="harmonize-kit", prog_name="harmonize-kit")
def cli() -> None:
    """Extract radiomic features, harmonize them across scanners, and judge the result.

    \b
    The usual order:
      harmonize-kit preprocess scans.csv -o heads
      harmonize-kit extract heads/cohort.csv -o features
      harmonize-kit fit features/features.csv -o model --site scanner --preserve "age + sex"
      harmonize-kit apply model features/features.csv -o harmonized.csv
      harmonize-kit report raw=features/features.csv combat=harmonized.csv -o report --site scanner
      harmonize-kit compare features/features.csv -o compared --site scanner --methods raw,combat

    Try it without data of your own: harmonize-kit demo -o demo
    """


for command in (
    demo, preprocess, split, extract, robustness, fit, apply, adapt, import_model, federate, report,
    compare, reader_study, translate, inspect, validate, doctor,
):  # fmt: skip
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a code of the contract."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for number in HEARD:
        signal.signal(number, _stop)
    try:
        code = _run(arguments)
    except KeyboardInterrupt:  # a second time, while the first was being told
        code = exit_codes.INTERRUPTED
    except Terminated:
        code = exit_codes.TERMINATED
    for number in HEARD:
        # The run is over: an impatient second signal must not change the exit code it ends with.
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.flush()
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        result = cli.main(args=arguments, prog_name="harmonize-kit", standalone_mode=False)
        return result if isinstance(result, int) else exit_codes.OK
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        error.show()
        if as_json:
            complain_json(error.format_message(), exit_codes.USAGE)
        return exit_codes.USAGE
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted", as_json=as_json, exit_code=exit_codes.INTERRUPTED)
        return exit_codes.INTERRUPTED
    except Terminated:
        complain("terminated", as_json=as_json, exit_code=exit_codes.TERMINATED)
        return exit_codes.TERMINATED
    except HarmonizeError as error:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        code, message, raised = exit_codes.exit_code_of(error), f"{error}{notes}", error
    except BrokenPipeError:
        # The reader of our output went away (head, less): nothing to tell, nobody to tell it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.OK
    except OSError as error:
        code, raised = exit_codes.INVALID, error
        named = error.filename if error.filename is not None else "a file"
        message = f"{named} cannot be read or written ({error.strerror or error})"
    except ImportError as error:
        code, raised = exit_codes.DEPENDENCY, error
        message = (
            f"a package cannot be imported ({error}); the versions that are installed here do not "
            "go together: install harmonize-kit into an environment of its own, or mend that"
        )
    except Exception as error:  # noqa: BLE001
        code, raised = exit_codes.BUG, error
        message = (
            f"{type(error).__name__}: {error}. This is a bug of harmonize-kit, not of your data; "
            "run again with --debug and report it"
        )
    complain(message, as_json=as_json, exit_code=code, raised=raised if debug else None)
    return code


def _stop(number: int, frame: FrameType | None) -> None:
    """End the run where that can be heard.

    What is raised inside of a finalizer or of the event loop's own calls is caught there and lost;
    then it is tried again a moment later.
    """
    if number != signal.SIGALRM:
        _asked_to_stop.append(number)
    if not _asked_to_stop:
        return
    if _would_be_lost(frame):
        signal.setitimer(signal.ITIMER_REAL, 0.02)
    elif _asked_to_stop.pop() == signal.SIGTERM:
        raise Terminated
    else:
        raise KeyboardInterrupt


def _would_be_lost(frame: FrameType | None) -> bool:
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if frame.f_code.co_name == "__del__" or module.split(".")[0] in SWALLOWING:
            return True
        frame = frame.f_back
    return False
