"""Hand frames to Great Expectations' own process, and close the gate for whatever it cannot judge.

Where one evaluation breaks (an exception, a hang, a death, an ``exception_info``), the rows are halved and tried again,
down to single agencies: the agency that breaks the judge is held, the others proceed.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from expectations.landed_events import Expectation

Row = Mapping[str, Any]
GATE_ITSELF = "gate_itself"  # the finding that the judge, not the batch, is to blame
START_SECONDS = 120.0  # importing Great Expectations takes 3 s, and 17 s were measured under load


@dataclass(frozen=True)
class Finding:
    """One expectation a row failed; ``observed`` is the row's value (None: the judge itself broke)."""

    expectation: str
    severity: str
    observed: float | int | None
    note: str | None = None


class Broken(Exception):
    """An evaluation that gave no result."""


class Judge:
    """Great Expectations in a child process, started when first needed and started again after a hang or a death.

    The child is kept for the next frame of the same process and environment: importing it again costs seconds.
    """

    _process: subprocess.Popen[bytes] | None = None
    _environment: tuple[str | None, ...] = ()
    _owner: int | None = None

    def evaluate(
        self, rows: Sequence[Row], expectations: Sequence[Expectation], seconds: float
    ) -> list[tuple[str, str, list[int]]]:
        """Failed expectations: name, severity, places of the failing rows. Raises Broken."""
        columns = {spec.column for spec in expectations}
        request = {
            "rows": [{column: row[column] for column in columns} for row in rows],
            "expectations": [asdict(spec) for spec in expectations],
        }
        answer = json.loads(self._ask(json.dumps(request, default=float), seconds))
        if answer["broken"] is not None:
            raise Broken(answer["broken"])
        return [(failed["name"], failed["severity"], failed["rows"]) for failed in answer["failed"]]

    def _ask(self, request: str, seconds: float) -> bytes:
        try:
            if self._process is None or self._owner != os.getpid() or self._environment != _environment():
                self.stop()
                self._start()
            assert self._process is not None
            assert self._process.stdin is not None
            deadline = time.monotonic() + seconds
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()
            return self._read_line(deadline)
        except (BrokenPipeError, EOFError):
            self.stop()
            raise Broken("the judge's process died") from None
        except TimeoutError:
            self.stop()
            raise Broken(f"no answer within {seconds:.0f} s") from None

    def _start(self) -> None:
        self._owner, self._environment = os.getpid(), _environment()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "expectations.verdict"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "GX_ANALYTICS_ENABLED": "false"},
        )
        first = json.loads(self._read_line(time.monotonic() + START_SECONDS))
        if not first["ready"]:
            self.stop()
            raise Broken(first["broken"])

    def _read_line(self, deadline: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        read = b""
        while not read.endswith(b"\n"):
            wait = deadline - time.monotonic()
            if wait <= 0 or not select.select([self._process.stdout], [], [], wait)[0]:
                raise TimeoutError
            part = os.read(self._process.stdout.fileno(), 1 << 20)
            if not part:
                raise EOFError
            read += part
        return read

    def stop(self) -> None:
        """End the child, if there is one of ours."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        with contextlib.suppress(BrokenPipeError):
            if process.stdin is not None:
                process.stdin.close()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _environment() -> tuple[str | None, ...]:
    """What decides which Great Expectations a child gets, and whether a test faults it."""
    return tuple(os.environ.get(name) for name in ("PYTHONPATH", "MIZAN_HOME", "FAULTPOINT"))


JUDGE = Judge()
atexit.register(JUDGE.stop)


def judge(
    rows: Sequence[Row],
    expectations: Sequence[Expectation],
    *,
    group_by: str,
    seconds: float = 60.0,
    retry_seconds: float = 20.0,
) -> list[list[Finding]]:
    """Findings per row, in the rows' order. Rows the judge breaks on get one critical finding ``gate_itself``."""
    found: list[list[Finding]] = [[] for _ in rows]
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(str(row[group_by]), []).append(place)
    if not rows:
        return found
    # One bad agency among many breaks at most two evaluations a level before a good one is seen; more broken ones
    # in a row than that, and it is the judge that is ill: close the rest instead of trying each agency for minutes.
    patience = 2 * math.ceil(math.log2(len(groups) + 1)) + 4
    broken_in_a_row = 0
    waiting = [list(groups)]
    first = True
    while waiting:
        names = waiting.pop()
        places = [place for name in names for place in groups[name]]
        try:
            if broken_in_a_row > patience:
                raise Broken("the judge breaks on everything")
            results = JUDGE.evaluate(
                [rows[place] for place in places], expectations, seconds if first else retry_seconds
            )
        except Broken as error:
            broken_in_a_row += 1
            if len(names) > 1 and broken_in_a_row <= patience:
                waiting += _halves(names)
            else:
                for place in places:
                    found[place].append(Finding(GATE_ITSELF, "critical", None, str(error)))
        else:
            broken_in_a_row = 0
            for name, severity, failing in results:
                column = next(spec.column for spec in expectations if spec.name == name)
                for index in failing:
                    place = places[index]
                    found[place].append(Finding(name, severity, rows[place][column]))
        first = False
    return found


def _halves(names: Sequence[str]) -> Iterator[list[str]]:
    middle = len(names) // 2
    yield list(names[:middle])
    yield list(names[middle:])
