"""The ways a command may end, each with the exit code operators and schedulers rely on."""

from __future__ import annotations


class MizanError(Exception):
    """Something an operator must read: one line, an exit code, and a hint where one helps."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(MizanError):
    """The call or the configuration is wrong; nothing was written."""

    exit_code = 2


class GateClosed(MizanError):
    """A gate holds at least one agency's batch; everything else went on."""

    exit_code = 3


class Halted(MizanError):
    """Going on would lose data. ``reason`` is one of the names in docs/runbooks/."""

    exit_code = 4

    def __init__(self, reason: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{reason}: {message}", hint=hint)
        self.reason = reason


class Fenced(MizanError):
    """Another writer committed first; nothing was written, the next run plans anew."""

    exit_code = 5


class BadInput(MizanError):
    """A file or stream holds data the contract refuses."""

    exit_code = 65


class TryAgain(MizanError):
    """A passing condition: the same call may work later."""

    exit_code = 75
