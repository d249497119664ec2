"""The page of every command, written from the commands themselves: arguments, options, exit codes, settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
import typer.main

from console import commands
from contracts import errors
from contracts.settings import VARIABLES

_ENDS = (errors.UsageError, errors.GateClosed, errors.Halted, errors.Fenced, errors.BadInput, errors.TryAgain)
_CODES = (
    (0, "It went well."),
    (1, "What was asked does not hold, or the machine is in the way."),
    *((end.exit_code, str(end.__doc__).partition("\n")[0].partition(" ``")[0]) for end in _ENDS),
    (130, "Stopped by Ctrl-C."),
)


def reference() -> str:
    """The page, in Markdown."""
    app = typer.Typer(name="mizan", add_completion=False)
    commands.register(app)
    lines = [
        "# Commands",
        "",
        "Written by `make reference` from the commands themselves; nothing here is entered by hand.",
        "`mizan COMMAND --help` says the same. Data goes to stdout, the rest to stderr; `--json` prints one JSON.",
        "What each step is for: [operating](../operating.md).",
        "",
        "## Exit codes",
        "",
        "| Code | Means |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in _CODES),
        "",
        "What to do then: [halts](../runbooks/halts.md).",
        "",
        "## Settings",
        "",
        "From the environment, else from `.env` in the working folder, else as here; `mizan config show` says.",
        "",
        "| Variable | Unless set | Meaning |",
        "|---|---|---|",
        *(f"| `{one.name}` | {_code(one.default)} | {_cell(_sentence(one.meaning))} |" for one in VARIABLES),
        "",
        "## Every command",
        "",
        *(line for path, command in _walk(typer.main.get_command(app), ()) for line in _page(path, command)),
    ]
    return "\n".join(lines)


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", {})
    if not inner or (path and command.invoke_without_command):
        yield path, command
    for name, one in sorted(inner.items()):
        yield from _walk(one, (*path, name))


def _page(path: tuple[str, ...], command: Any) -> Iterator[str]:
    shown = [one for one in command.params if not one.hidden]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    options = [one for one in shown if one.param_type_name == "option"]
    words = ["mizan", *path, *(_argument(one) for one in arguments), *(_option(one) for one in options if one.required)]
    optional = [f"[{_option(one)}]" for one in options if not one.required]
    yield from (f"### {' '.join(path)}", "", f"`{' '.join([*words, *optional])}`", "")
    yield from (" ".join(str(command.help).split()), "")
    if shown:
        yield from ("| | | Meaning | Unless given |", "|---|---|---|---|")
        for one in (*arguments, *options):
            spelt = _argument(one) if one in arguments else _option(one)
            must = "required" if one.required else ""
            default = "" if _is_silent(one) else _code(str(one.default))
            yield f"| {_code(spelt)} | {must} | {_cell(one.help or '')} | {default} |"
        yield ""


def _argument(argument: Any) -> str:
    word = argument.metavar or argument.name.upper()
    return f"{word}…" if argument.nargs == -1 else str(word)


def _option(option: Any) -> str:
    spelt = "/".join((*option.opts, *option.secondary_opts))
    return spelt if option.is_flag else f"{spelt} {option.metavar or option.name.upper()}"


def _is_silent(parameter: Any) -> bool:
    """Nothing is to be said of the default: there is none, or leaving a flag out is what it says."""
    return parameter.default is None or callable(parameter.default) or parameter.default is False


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str | None) -> str:
    return "" if text is None else f"`{_cell(text)}`"
