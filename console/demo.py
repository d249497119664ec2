"""`mizan demo`, `mizan up`, `mizan down`: the whole pipeline on one machine, on real parts."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from console.output import note, say
from contracts.errors import MizanError, UsageError
from contracts.settings import Settings

if TYPE_CHECKING:
    from console.demo_scenarios import DemoScenario
    from scheduler.api import Airflow
    from scheduler.local import Standalone

DAGS = frozenset(
    {
        "land_events",
        "gate_and_build",
        "publish_warehouse",
        "backfill_months",
        "sync_catalogue",
        "evaluate_agencies",
        "maintain_lake",
        "replay_quarantine",
        "close_month",
        "release_batch",
    }
)
SETTLE_SECONDS = 420.0


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(demo)
    app.command()(up)
    app.command()(down)


def up() -> None:
    """Start the broker and Airflow and leave them running."""
    from broker import local as broker
    from scheduler import local as scheduler

    settings = Settings.load()
    _initialise(settings)
    running = scheduler.start(settings)
    address = broker.up(settings)["bootstrap"]
    scheduler.wait_until_ready(settings, running)
    say(f"broker   {address}")
    say(f"Airflow  {running.url}  user admin, password in {settings.home / 'airflow' / 'passwords.json'}")
    note("try: mizan simulate qom-1399-h1; stop with: make down")


def down() -> None:
    """Stop the broker and Airflow of this MIZAN_HOME."""
    from broker import local as broker
    from scheduler import local as scheduler

    settings = Settings.load()
    note("Airflow stopped" if scheduler.down(settings) else "Airflow was not running")
    note("broker stopped" if broker.down(settings) else "broker was not running")


def demo(
    scenario: str = typer.Option("qom-1399-h1", help="A scenario of `mizan simulate --list`, or canada-2023."),
    seed: int = typer.Option(1399, help="The same seed gives the same events."),
) -> None:
    """Stream a scenario's next months through Kafka, Airflow and the warehouse; print the monthly table."""
    from console import demo_scenarios

    settings = Settings.load()
    chosen = demo_scenarios.find(scenario)
    streamed = _streamed(settings)
    batch = chosen.next_batch(streamed.get(scenario, []))
    started = time.monotonic()
    begun = dt.datetime.now(dt.UTC)
    with _stack(settings, started) as running, ExitStack() as closing:
        # Airflow takes its time to come up; the agencies do not wait for it.
        if batch:
            _say(started, f"streaming {chosen.title}: {' to '.join(dict.fromkeys((batch[0], batch[-1])))}")
            chosen.stream(batch, seed)
            _note_streamed(settings, scenario, streamed, batch)
        else:
            _say(started, f"{chosen.title} has been streamed whole; nothing new to send")
        airflow = closing.enter_context(_ready(settings, running))
        _say(started, f"Airflow is up: {running.url}")
        airflow.trigger("land_events")
        _await_settled(settings, airflow, started, begun)
    _show(settings, chosen, batch)
    _say(started, "done")


def _initialise(settings: Settings) -> None:
    from pipeline.steps import initialise

    initialise(settings)


@contextmanager
def _stack(settings: Settings, started: float) -> Iterator[Standalone]:
    """The broker up and Airflow on its way; what was not running before is stopped at the end."""
    from broker import local as broker
    from scheduler import local as scheduler

    _initialise(settings)
    airflow_ran, broker_ran = scheduler.find(settings) is not None, broker.status(settings)["running"]
    try:
        _say(started, "starting the broker and Airflow")
        running = scheduler.start(settings)
        broker.up(settings)
        yield running
    finally:
        if not airflow_ran:
            scheduler.down(settings)
        if not broker_ran:
            broker.down(settings)


def _ready(settings: Settings, running: Standalone) -> Airflow:
    """A client of Airflow, once it is healthy and has read every DAG file."""
    from scheduler import local as scheduler
    from scheduler.api import Airflow

    scheduler.wait_until_ready(settings, running)
    airflow = Airflow(settings, running)
    airflow.wait_for_dags(set(DAGS))
    return airflow


def _await_settled(settings: Settings, airflow: Airflow, started: float, begun: dt.datetime) -> None:
    """Wait until the DAGs have brought every event to a published version; MizanError when one fails for good."""
    from pipeline.steps import waiting

    deadline = time.monotonic() + SETTLE_SECONDS
    told = ""
    while True:
        left = waiting(settings)
        if not left.anything and not _running(airflow):
            return
        words = left.words()
        if words != told:
            _say(started, words)
            told = words
        failed = [run for dag_id in ("land_events", "publish_warehouse") for run in _failed(airflow, dag_id, begun)]
        if failed or time.monotonic() > deadline:
            raise MizanError(
                f"the pipeline did not settle: {words}",
                hint=f"failed runs: {failed or 'none'}; logs in {settings.home / 'airflow' / 'logs'}",
            )
        time.sleep(1.0)


def _running(airflow: Airflow) -> bool:
    flow = ("gate_and_build", "publish_warehouse")
    return any(run["state"] in ("queued", "running") for dag_id in flow for run in airflow.runs(dag_id))


def _failed(airflow: Airflow, dag_id: str, since: dt.datetime) -> list[str]:
    return [
        f"{dag_id} {run['dag_run_id']}"
        for run in airflow.runs(dag_id)
        if run["state"] == "failed" and run["end_date"] and dt.datetime.fromisoformat(run["end_date"]) >= since
    ]


def _show(settings: Settings, chosen: DemoScenario, batch: list[str]) -> None:
    from console.monthly_table import print_monthly_table
    from warehouse.published import current

    version = current(settings, "analyst")
    if version is None:
        raise MizanError("nothing was published")
    print_monthly_table(settings, chosen.calendar, chosen.scope, chosen.scope_id)
    if batch:
        say(f"months streamed now   {', '.join(batch)}")
    say(f"published             version {version['version']}, {settings.published / 'analyst' / 'current.duckdb'}")
    say(f"public tier           {settings.published / 'public'}")
    say(f"report                {settings.published / 'public' / 'index.html'}")
    say(f"validation report     {settings.published / 'validation' / 'index.html'}")


def _say(started: float, text: str) -> None:
    note(f"[{time.monotonic() - started:5.0f} s] {text}")


def _streamed(settings: Settings) -> dict[str, list[str]]:
    try:
        found: dict[str, list[str]] = json.loads(_memory(settings).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UsageError(
            f"{_memory(settings)} is not readable JSON", hint="remove it to start the demo anew"
        ) from error
    return found


def _note_streamed(settings: Settings, scenario: str, streamed: dict[str, list[str]], batch: list[str]) -> None:
    streamed[scenario] = [*streamed.get(scenario, []), *batch]
    _memory(settings).write_text(json.dumps(streamed, indent=1), encoding="utf-8")


def _memory(settings: Settings) -> Path:
    return settings.home / "demo.json"
