"""A scenario on its way: into files, or to the broker with each agency's own login."""

from __future__ import annotations

import csv
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Protocol

from contracts.errors import MizanError, TryAgain
from contracts.reporting_time import Month
from producers.delivery import Sender
from producers.scenarios.registry import Scenario, Tables

# Connections (and files) open at once: each costs a login of a few dozen milliseconds, a thread and its buffers. More
# than a scenario's agencies, who speak in turn: the 80 of Tehran over 64 connections log in anew for nearly every event
# (measured: 268 s, not 8).
MOST_OPEN = 128
# Logins done side by side before the first event: the broker's key stretching is most of a login's time.
_LOGINS_AT_ONCE = 4


class Connection(Sender, Protocol):
    """A sender that can be given up."""

    def close(self) -> None:
        """Give the connection up."""


def told(scenario: Scenario, months: Sequence[Month], scale: float, seed: int) -> Iterator[tuple[str, bytes]]:
    """The events of the months in their order, as (agency_id, value); EVALUATOR stands for the national evaluator."""
    for month in months:
        yield from scenario.events(month, scale, seed)


def write_folder(
    events: Iterable[tuple[str, bytes]],
    catalogue: Tables,
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """One ``<agency_id>.ndjson`` each and the catalogue's CSV files; events by agency.

    Files of the same names are replaced. Raises MizanError where the folder cannot be written.
    """
    counts: dict[str, int] = {}
    files: OrderedDict[str, IO[bytes]] = OrderedDict()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_catalogue(catalogue, folder)
        for agency, value in events:
            file = files.get(agency)
            if file is None:
                if len(files) >= MOST_OPEN:
                    files.popitem(last=False)[1].close()
                # The first opening replaces an earlier run's file, later ones go on with ours.
                mode = "ab" if agency in counts else "wb"
                file = files[agency] = (folder / f"{agency}.ndjson").open(mode)
            file.write(value + b"\n")
            counts[agency] = counts.get(agency, 0) + 1
            if progress is not None:
                progress(1)
    except OSError as error:
        raise MizanError(f"cannot write to {folder}: {error.strerror}") from error
    finally:
        for file in files.values():
            file.close()
    return counts


def send(
    events: Iterable[tuple[str, bytes]],
    agencies: Sequence[str],
    connect: Callable[[str], Connection],
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Send every event with its agency's own connection; events by agency, all of them acknowledged.

    Nothing is spooled: what a kill or a lost broker interrupts is said again, to the byte, by the same call, and
    the platform knows the ids. Raises what ``connect`` raises, and TryAgain where the broker stops taking events.
    """
    counts = dict.fromkeys(agencies, 0)
    unflushed = dict.fromkeys(agencies, 0)
    connections: OrderedDict[str, Connection] = OrderedDict()

    def finish(agency: str) -> None:
        if connections[agency].flush() < unflushed[agency]:
            raise TryAgain(f"the broker did not take every event of {agency}", hint="run the same command again")
        unflushed[agency] = 0

    try:
        with ThreadPoolExecutor(_LOGINS_AT_ONCE) as pool:
            first = agencies[:MOST_OPEN]
            for agency, connection in zip(first, pool.map(connect, first), strict=True):
                connections[agency] = connection
        for agency, value in events:
            if agency not in connections:
                if len(connections) >= MOST_OPEN:
                    oldest = next(iter(connections))
                    finish(oldest)
                    connections.pop(oldest).close()
                connections[agency] = connect(agency)
            connections[agency].send(value)
            unflushed[agency] = unflushed.get(agency, 0) + 1
            counts[agency] = counts.get(agency, 0) + 1
            if unflushed[agency] >= 10_000:
                # Keeps the list of unacknowledged events short; with few agencies it would grow with the month.
                finish(agency)
            if progress is not None:
                progress(1)
        for agency in connections:
            finish(agency)
    finally:
        _close(connections)
    return {agency: count for agency, count in counts.items() if count}


def _close(connections: Mapping[str, Connection]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda connection: connection.close(), connections.values()))


def _write_catalogue(catalogue: Tables, folder: Path) -> None:
    for name, rows in catalogue.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
