"""Bring the build database up to date with the lake: facts first, then every month that changed.

The build database is a cache. Whatever is wrong with it (missing, damaged, built by other queries, built on another
catalogue), it is made again from the lake, and a line on the log says why.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalogue.read import current
from contracts.durable import sync
from contracts.failpoints import failpoint
from contracts.logs import tell
from contracts.reporting_time import CALENDARS, Month, tehran_today
from contracts.settings import Settings
from transforms import assessments, changes, closure, evaluation, landed, months, reference
from transforms.model import PUBLISHED, fingerprint, models
from transforms.reference import CatalogueRows, month_of_number
from warehouse.connection import BuildDamaged, Connection, build_connection, in_transaction
from warehouse.lake import Lake
from warehouse.lake_damage import names_damage
from warehouse.portions import portions
from warehouse.rewriting import times_rewritten

log = logging.getLogger("mizan.transforms")

_OPS = """
    CREATE TABLE IF NOT EXISTS ops_counted (batch_id VARCHAR, agency_id VARCHAR);
    CREATE TABLE IF NOT EXISTS ops_pending_months (calendar VARCHAR, month_no INTEGER);
    CREATE TABLE IF NOT EXISTS ops_pending_periods (calendar VARCHAR, period VARCHAR);
    CREATE TABLE IF NOT EXISTS ops_refreshed (calendar VARCHAR, month VARCHAR, times INTEGER);
    CREATE TABLE IF NOT EXISTS ops_state (name VARCHAR, value VARCHAR);
"""
# One transaction of monthly rows reads at most about this many events (a single month may have more).
EVENTS_AT_ONCE = 5_000_000
# A build from nothing counts every batch there ever was: past this many the log says how many.
MOST_NAMED = 1_000


@dataclass(frozen=True)
class Built:
    """What an update did."""

    months: tuple[Month, ...]
    periods: int
    rebuilt: str | None  # why everything was built anew; None for an increment


class Outdated(Exception):
    """The build file cannot be brought up to date in place; the message says why."""


@names_damage
def update(settings: Settings, *, full: bool = False) -> Built:
    """Everything: facts, pending months, pending periods. ``full`` builds anew beside the old file and swaps."""
    if full:
        return _rebuild(settings, "asked for")
    return _in_place_or_anew(settings, lambda connection: _bring_up_to_date(connection, settings))


@names_damage
def refresh_facts(settings: Settings) -> list[Month]:
    """Bring the facts up to date and say which months wait for ``build_month``, oldest first.

    Where the build must be made anew that happens here, months included; they are named all the same.
    """
    built = _in_place_or_anew(settings, lambda connection: _facts_alone(connection, settings))
    return list(built.months)


def build_month(settings: Settings, month: Month) -> None:
    """Replace one month's rows and those of the periods that hold it. Safe to repeat."""
    with build_connection(settings) as connection:
        prepare(connection)
        months.refresh_month(connection, month)


def pending_months(settings: Settings) -> list[Month]:
    """The months whose figures wait to be computed, oldest first; none where there is no build file yet."""
    if not settings.build_file.exists():
        return []
    with build_connection(settings) as connection:
        prepare(connection)
        return pending(connection)


def pending(connection: Connection) -> list[Month]:
    """The same, of an open build database."""
    rows = connection.execute("SELECT calendar, month_no FROM ops_pending_months ORDER BY ALL").fetchall()
    return [month_of_number(calendar, number) for calendar, number in rows]


def prepare(connection: Connection) -> None:
    """Create the tables that are not there yet. Raises Outdated where other queries built what is there."""
    connection.execute(_OPS)
    found = connection.execute("SELECT value FROM ops_state WHERE name = 'models'").fetchall()
    if found and found != [(fingerprint(),)]:
        raise Outdated("the models changed")
    for shelf in ("dimensions", "facts", *PUBLISHED):
        for model in models(shelf).values():
            connection.execute(model.ddl)
    reference.load_calendar(connection)
    if not found:
        describe_published(connection)
        _remember(connection, "models", fingerprint())


def describe_published(connection: Connection) -> None:
    """ops_published: the tables to publish, each with its contract as JSON, so that publishing need not know models."""
    connection.execute(
        "CREATE OR REPLACE TABLE ops_published "
        "(table_name VARCHAR, built_as VARCHAR, shelf VARCHAR, contract VARCHAR, query VARCHAR)"
    )
    for shelf in PUBLISHED:
        for model in models(shelf).values():
            connection.execute(
                "INSERT INTO ops_published VALUES ($name, $built, $shelf, $contract, $query)",
                {
                    "name": model.published,
                    "built": model.table,
                    "shelf": shelf,
                    "contract": json.dumps(model.contract, ensure_ascii=False, default=str),
                    "query": model.query,
                },
            )


def refresh_evaluations(settings: Settings, today: dt.date | None = None) -> None:
    """Bring the evaluations up to date, unless neither facts, months nor the day moved, or nothing is built yet."""
    if not settings.build_file.exists():
        return
    with build_connection(settings) as connection:
        prepare(connection)
        evaluation.refresh(connection, today or tehran_today())


def update_facts(connection: Connection, lake: Lake, catalogue: CatalogueRows) -> set[Month]:
    """Take the lake's newly counted (or no longer counted) batches into the facts, in one transaction.

    Gives the months whose figures wait to be computed, those of earlier calls included.
    """
    prepare(connection)
    counted: list[tuple[str, str, int]] = []
    version = 0

    def work() -> None:
        nonlocal counted, version
        if reference.load_catalogue(connection, catalogue):
            if lake.settings.engine == "spark":
                raise Outdated("the catalogue moved an agency or a place that has events")
            log.warning("counting all events anew: the catalogue moved an agency or a place that has events")
            _forget_facts(connection)
        events = changes.open_lake(connection, lake)
        _require_same_rows(connection, str(times_rewritten(events)))
        change = changes.find(connection, kept)
        counted, version = changes.pairs(connection), events.version
        failpoint("tx.mid")
        closure.apply(connection, change)
        landed.apply(connection, lake, change)
        assessments.apply(connection)
        closure.follow_held(connection)
        reference.load_scopes(connection)
        evaluation.outdate(connection)
        _remember(connection, "lake_version", str(events.version))

    failpoint("tx.begin")
    with portions(lake.settings) as folder:
        # Spark keeps what is much in files of its own.
        kept = None if lake.settings.engine == "spark" else folder
        in_transaction(connection, work)
    _tell_counted(counted, version)
    return set(pending(connection))


def _tell_counted(pairs: Sequence[tuple[str, str, int]], version: int) -> None:
    for batch, agency, sign in pairs[:MOST_NAMED]:
        said = "batch counted" if sign > 0 else "batch no longer counted"
        tell(log, said, step="facts", batch_id=batch, agency=agency, lake_version=version)
    if len(pairs) > MOST_NAMED:
        tell(log, "more batches counted", step="facts", batches=len(pairs) - MOST_NAMED, lake_version=version)


def _require_same_rows(connection: Connection, rewritten: str) -> None:
    """Raise Outdated where the lake's rows were put under another key, or persons erased, since they were counted."""
    noted = dict(connection.execute("SELECT name, value FROM ops_state").fetchall())
    if "lake_version" in noted and noted.get("rewritten", "0") != rewritten:
        raise Outdated("the rows of the lake were rewritten")
    _remember(connection, "rewritten", rewritten)


def content_hash(connection: Connection) -> str:
    """SHA-256 (hex) of every published table's rows, in order: equal figures, equal hash."""
    digest = hashlib.sha256()
    for model in (model for shelf in PUBLISHED for model in models(shelf).values()):
        digest.update(f"{model.table}\0".encode())
        columns = ", ".join(f"COALESCE(\"{name}\"::VARCHAR, '\\N')" for name in model.physical)
        rows = connection.execute(
            f'SELECT concat_ws(chr(31), {columns}) FROM "{model.table}" ORDER BY ALL'  # noqa: S608 our own names
        )
        while batch := rows.fetchmany(10_000):
            digest.update("\n".join(row for (row,) in batch).encode())
    return digest.hexdigest()


def _in_place_or_anew(settings: Settings, work: Callable[[Connection], Built]) -> Built:
    """Run ``work`` on the build file; where the file does not allow it, build everything anew."""
    try:
        with build_connection(settings) as connection:
            return work(connection)
    except Outdated as outdated:
        return _rebuild(settings, str(outdated))
    except BuildDamaged as damaged:
        return _rebuild(settings, str(damaged))


def _facts_alone(connection: Connection, settings: Settings) -> Built:
    with _engine(connection, settings) as engine:
        found = update_facts(engine, Lake(settings), current(settings))
    return Built(tuple(sorted(found)), 0, None)


def _bring_up_to_date(connection: Connection, settings: Settings) -> Built:
    with _engine(connection, settings) as engine:
        found = sorted(update_facts(engine, Lake(settings), current(settings)))
        done = compute(engine, found)
        evaluation.refresh(engine, tehran_today())
    return Built(tuple(found), done, None)


@contextmanager
def _engine(connection: Connection, settings: Settings) -> Iterator[Connection]:
    """The connection through which the models run: Spark is behind it where asked for, as long as nothing is counted.

    What has been counted is brought up to date by DuckDB in either case: that costs what changed, whatever came before.
    """
    prepare(connection)
    is_change = changes.count(connection, "ops_counted") > 0
    if settings.engine == "duckdb" or is_change or not Lake(settings).open("events").files:
        yield connection
        return
    from warehouse.spark_build import with_spark

    with with_spark(connection, settings) as engine:
        yield engine


def compute(connection: Connection, wanted: Sequence[Month]) -> int:
    """Replace the rows of ``wanted`` months and of all periods that hold them; how many periods."""
    done = 0
    for few in _handfuls(connection, wanted):
        months.refresh_months(connection, few)
        done += len(few)
        tell(log, "months computed", step="build", month=few[-1].label, done=done, of=len(wanted))
    periods = months.refresh_pending_periods(connection)
    failpoint("tx.checkpoint")
    connection.execute("CHECKPOINT")
    return periods


def _handfuls(connection: Connection, wanted: Sequence[Month]) -> Iterator[list[Month]]:
    """Months of one calendar that together hold about EVENTS_AT_ONCE events."""
    for calendar in CALENDARS:
        column = f"{calendar}_no"
        events = dict(
            connection.execute(f"SELECT {column}, SUM(events)::BIGINT FROM fct_activity GROUP BY {column}").fetchall()  # noqa: S608 of our closed list
        )
        few: list[Month] = []
        load = 0
        for month in sorted(month for month in wanted if month.calendar == calendar):
            here = events.get(reference.month_number(month), 0)
            if few and load + here > EVENTS_AT_ONCE:
                yield few
                few, load = [], 0
            few.append(month)
            load += here
        if few:
            yield few


def _rebuild(settings: Settings, why: str) -> Built:
    """Build everything from the lake into a new file and put it in the old one's place."""
    log.warning("building anew: %s", why)
    target = settings.build_file
    coming = target.with_name("mizan.next.duckdb")
    _remove(coming)
    with build_connection(settings) as connection:
        # The old file has no unwritten log after this, so closing it later writes nothing.
        connection.execute("CHECKPOINT")
        ((old,),) = connection.execute("SELECT current_database()").fetchall()
        escaped = str(coming).replace("'", "''")
        connection.execute(f"ATTACH '{escaped}' AS next_build")
        connection.execute("USE next_build")
        built = _bring_up_to_date(connection, settings)
        connection.execute(f'USE "{old}"')
        connection.execute("DETACH next_build")
        sync(coming)
        coming.replace(target)
    return Built(built.months, built.periods, why)


def _remove(file: Path) -> None:
    for path in (file, file.with_name(file.name + ".wal")):
        path.unlink(missing_ok=True)


def _forget_facts(connection: Connection) -> None:
    """Empty the facts of counted events; the published rows stay until their months are computed again.

    What landed, and the numbers given to persons, do not depend on the catalogue.
    """
    for model in models("facts").values():
        if model.name not in ("fct_users", *landed.OF_LANDED_ROWS):
            connection.execute(f'DELETE FROM "{model.table}"')  # noqa: S608 our own names
    connection.execute("DELETE FROM ops_counted")
    connection.execute("""
        INSERT INTO ops_pending_months
        SELECT m.calendar, m.month_no FROM dim_month AS m
        JOIN (
            SELECT calendar, month FROM monthly_users_v1 UNION SELECT calendar, month FROM monthly_transactions_v1
            UNION SELECT calendar, month FROM inquiries_v1 UNION SELECT calendar, month FROM reasons_in_person_v1
        ) AS t ON t.calendar = m.calendar AND t.month = m.month
        EXCEPT SELECT calendar, month_no FROM ops_pending_months
    """)


def _remember(connection: Connection, name: str, value: str) -> None:
    connection.execute("DELETE FROM ops_state WHERE name = $name", {"name": name})
    connection.execute("INSERT INTO ops_state VALUES ($name, $value)", {"name": name, "value": value})
