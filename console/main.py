"""`mizan`: the one command line. Each command parses, calls a room, prints; rooms are imported when called."""

from __future__ import annotations

import logging
import sys

import typer

from console.output import note
from contracts.errors import MizanError

app = typer.Typer(
    name="mizan",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Transaction metrics of electronic government that can be proved, from a press sentence to the offsets.",
)


def main() -> None:
    """Run the command line; what an operator can mend ends it with one line on stderr and an exit code."""
    from console import commands

    commands.register(app)
    # Our own words alone: what client libraries log of a connection is no news to an operator.
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("mizan: %(message)s"))
    logging.getLogger("mizan").addHandler(handler)
    try:
        app()
    except MizanError as error:
        note(f"mizan: {error}")
        if error.hint:
            note(f"       {error.hint}")
        sys.exit(error.exit_code)
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


if __name__ == "__main__":
    main()
