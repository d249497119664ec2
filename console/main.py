"""`mizan`: the one command line. Each command parses, calls a room, prints; rooms are imported when called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from console.output import failed, log_as, note
from contracts.errors import MizanError, UsageError
from contracts.settings import Settings

app = typer.Typer(
    name="mizan",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Transaction metrics of electronic government that can be proved, from a press sentence to the offsets.",
)

# Click's own class for a call that is wrong, wherever this release of typer keeps it.
WrongCall: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command line; what an operator can mend ends it with one line on stderr and an exit code."""
    from console import commands

    commands.register(app)
    log_as(_form_of_log())
    try:
        sys.exit(app(standalone_mode=False))
    except WrongCall as error:
        _say_what_is_wrong(error)
        sys.exit(error.exit_code)
    except MizanError as error:
        failed(str(error), hint=error.hint, exit_code=error.exit_code)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if _is_ours(error.name):
            raise
        # The agency SDK's install has this command line too, and not what the platform's commands import.
        failed(
            f"this command needs the platform: {error.name} is not installed",
            hint="pip install 'egov-mizan[platform]'",
            exit_code=UsageError.exit_code,
        )
        sys.exit(UsageError.exit_code)
    except BrokenPipeError:
        # The reader of our stdout went away (`mizan … | head`): not an error of ours.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # A full disk, a folder that may not be written: the machine's trouble, and a trace says nothing more of it.
        place = "" if error.filename is None else f": {error.filename}"
        note(f"mizan: {error.strerror or error}{place}")
        sys.exit(1)
    except KeyboardInterrupt:
        note("mizan: stopped")
        sys.exit(130)


def _is_ours(module: str | None) -> bool:
    """Whether a module that is not there belongs to a room of ours: a mistake of ours, then."""
    room = (module or "").partition(".")[0]
    return not room or (Path(__file__).resolve().parents[1] / room).is_dir()


def _form_of_log() -> str:
    try:
        return Settings.load().values["MIZAN_LOG"] or "text"
    except UsageError:
        return "text"  # what is wrong with a setting the command itself says


def _say_what_is_wrong(error: Any) -> None:
    """Of a wrong call. The library would print the operator's words, a file's name among them, as they are."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    note(f"mizan: {error.format_message()}")
    if context is not None:
        note(f"       see: {context.command_path} --help")


if __name__ == "__main__":
    main()
