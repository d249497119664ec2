"""`mizan simulate`: load a scenario's catalogue, onboard its agencies, stream its events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from console.output import JSON_OPTION, notes, print_json, say
from contracts.errors import UsageError
from contracts.settings import Settings

if TYPE_CHECKING:
    from contracts.reporting_time import Month
    from producers.publisher import Publisher
    from producers.scenarios.registry import Scenario

# Events of one agency come thinly when fifty send in turn: waiting a second fills the batches (measured: 8 s, not 14).
_LINGER_MS = 1_000


def simulate(
    name: str | None = typer.Argument(None, metavar="SCENARIO", help="See --list."),
    scale: float | None = typer.Option(None, help="Part of the real volume. [0.001]"),
    seed: int | None = typer.Option(None, help="The same seed gives the same events, to the byte. [1399]"),
    to: str = typer.Option("kafka", metavar="kafka|DIR", help="Stream to Kafka, or write files into a folder."),
    months: str | None = typer.Option(None, "--months", help="Some months alone: 1399-01/1399-03 or 1399-01..1399-03."),
    month: str | None = typer.Option(None, "--month", help="One month alone."),
    listing: bool = typer.Option(False, "--list", help="List the scenarios."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Tell a published report as events of simulated agencies and citizens."""
    from producers.scenarios import registry

    if listing:
        _list(as_json)
        return
    if name is None:
        raise UsageError("which scenario?", hint="mizan simulate --list")
    if months is not None and month is not None:
        raise UsageError("--month or --months, not both")
    chosen = registry.scenario(name)
    asked = registry.months_of(chosen, month if months is None else months)
    scale = registry.check_scale(registry.DEFAULT_SCALE if scale is None else scale)
    seed = registry.DEFAULT_SEED if seed is None else seed
    started = time.monotonic()
    with _bar(chosen, asked, scale) as advance:
        if to == "kafka":
            counts = stream(Settings.load(), chosen, asked, scale, seed, advance)
        else:
            from producers.streaming import told, write_folder

            counts = write_folder(told(chosen, asked, scale, seed), chosen.catalogue(), Path(to), advance)
    document = {
        "scenario": name,
        "scale": scale,
        "seed": seed,
        "months": [month.label for month in asked],
        "to": to,
        "agencies": len(counts),
        "events": sum(counts.values()),
        "seconds": round(time.monotonic() - started, 1),
    }
    if as_json:
        print_json(document)
    else:
        say(f"{document['events']:,} events of {len(counts)} agencies in {document['seconds']} s")


def stream(
    settings: Settings,
    scenario: Scenario,
    months: Sequence[Month],
    scale: float,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Catalogue, onboarding and events of some months; acknowledged events by agency. Safe to repeat."""
    from broker.bundle import keep_bundles, keep_evaluator
    from catalogue.load import load_tables
    from contracts.settings import EVALUATOR
    from producers.login import read_bundle
    from producers.publisher import Publisher
    from producers.streaming import send, told
    from warehouse.guarded_keys import make_keys

    settings.kafka_admin()  # without a cluster nothing is begun
    make_keys(settings)
    tables = scenario.catalogue()
    # The catalogue before the first event: landing must know every service and place it meets.
    load_tables(settings, f"simulate:{scenario.NAME}", tables)
    agencies = scenario.SENDERS
    folders = keep_bundles(settings, agencies)

    def connect(sender: str) -> Publisher:
        # The evaluator is onboarded by the first assessment it sends; most scenarios have none.
        folder = keep_evaluator(settings) if sender == EVALUATOR else folders[sender]
        return Publisher(sender, read_bundle(folder).kafka, linger_ms=_LINGER_MS)

    return send(told(scenario, months, scale, seed), agencies, connect, progress)


def _list(as_json: bool) -> None:
    from producers.scenarios import registry

    document: list[dict[str, Any]] = []
    for entry in registry.ENTRIES:
        scenario = registry.scenario(entry.name)
        document.append(
            {
                "name": entry.name,
                "title": dict(scenario.TITLE),
                "months": [month.label for month in scenario.MONTHS],
                "default_scale": registry.DEFAULT_SCALE,
            }
        )
    if as_json:
        print_json(document)
        return
    for row in document:
        say(f"{row['name']}  {row['months'][0]} to {row['months'][-1]}")
        say(f"  {row['title']['en']}", f"  {row['title']['fa']}")


@contextmanager
def _bar(scenario: Scenario, months: Sequence[Month], scale: float) -> Iterator[Callable[[int], None] | None]:
    """A bar over the expected number of events, on a terminal alone."""
    if not notes.is_terminal:
        yield None
        return
    expected = round(scenario.EVENTS_AT_FULL_SCALE * scale * len(months) / len(scenario.MONTHS))
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True) as bar:
        task = bar.add_task(f"{scenario.NAME} {months[0].label} to {months[-1].label}", total=expected)
        waiting = 0

        def advance(count: int) -> None:
            nonlocal waiting
            waiting += count
            # A bar redrawn for every event would cost more than the event.
            if waiting >= 500:
                bar.advance(task, waiting)
                waiting = 0

        yield advance
