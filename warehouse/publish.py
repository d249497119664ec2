"""Publish the build database: a new whole version of both tiers, swapped in while readers read the last one.

A version is built beside the published folders, made durable, renamed to its own name, and only then pointed to; a
publisher that dies at any step leaves the version before in service. Version numbers only grow.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UsageError
from contracts.failpoints import failpoint
from contracts.settings import Settings
from warehouse import exports, month_standing, passports, restated, shaping, snapshot
from warehouse.connection import Connection, build_connection, in_transaction, memory_connection
from warehouse.lake_damage import names_damage
from warehouse.lake_versions import check_versions
from warehouse.losses import write_losses
from warehouse.metric_tables import MetricTable, columns_of, metric_tables, quoted
from warehouse.month_closings import latest, release_folder
from warehouse.numbers_told import write_told
from warehouse.public_cells import measures
from warehouse.public_gate import Told, check_public
from warehouse.public_remarks import check_again, write_counts
from warehouse.public_tier import public_select, users_withheld
from warehouse.public_withheld import Withheld, decision, write_flags
from warehouse.published import TIERS, Manifest, manifest, open_version
from warehouse.remarks import write_remarks
from warehouse.rows_told_on import VINTAGE, keep_passports, standing, tell_on
from warehouse.version_files import Tier, collect, next_version, sweep, version_name

# Writes pages about an open version into a new folder; the third is an earlier version's folder, to link from.
Pages = Callable[[Connection, Path, Path | None], None]
# Looks at the open build before anything new of it is published; what it raises stops that.
Judge = Callable[[Connection], None]

_VERSION = re.compile(r"v?0*([1-9]\d{0,8})")


@dataclass(frozen=True)
class Published:
    """The version in service: its number, its two databases, and whether this call made it."""

    version: int
    analyst: Path
    public: Path
    is_new: bool


@names_damage
def publish(
    settings: Settings,
    *,
    force: bool = False,
    rollback: str | None = None,
    now: dt.datetime | None = None,
    pages: Pages | None = None,
    judge: Judge | None = None,
) -> Published:
    """Publish what was built, if it differs from what is published (or ``force``).

    ``rollback`` ("v3") publishes the content of an earlier version as a new one; the build stays as it is, and nothing
    replaces the rolled-back figures until the build changes. ``pages`` writes the public tier's report, ``judge`` is
    asked of a build that is about to be published, and not of a rollback, which has been judged. Raises UsageError
    where nothing is built, or where the version asked for is not kept.
    """
    failpoint("pub.start")
    now = now or dt.datetime.now(dt.UTC)
    wanted = None if rollback is None else _version_number(rollback)
    if wanted is not None:
        # Before the build is opened, which makes it: a version that is not kept leaves nothing behind.
        _check_kept({tier: manifest(settings, tier) for tier in TIERS}, wanted)
    with build_connection(settings) as connection:
        connection.execute("SET preserve_insertion_order = true")
        sweep(settings)
        before = {tier: manifest(settings, tier) for tier in TIERS}
        if wanted is not None:
            _check_kept(before, wanted)
        tables = metric_tables(connection)
        shaping.shape(connection, tables, settings, now)
        fingerprint = shaping.fingerprint(connection, tables, settings)
        standing = _in_service(before, fingerprint)
        if standing is not None and wanted is None and not force:
            return standing
        if judge is not None and wanted is None:
            judge(connection)
        return _make(settings, connection, tables, before, fingerprint, wanted, now, pages)


def in_service(connection: Connection, settings: Settings, now: dt.datetime) -> Published | None:
    """The version in service if it already is what ``publish`` would make of this build; None where it is not."""
    tables = metric_tables(connection)
    shaping.shape(connection, tables, settings, now)
    fingerprint = shaping.fingerprint(connection, tables, settings)
    return _in_service({tier: manifest(settings, tier) for tier in TIERS}, fingerprint)


def _in_service(current: Mapping[str, Manifest | None], fingerprint: str) -> Published | None:
    """Both tiers at one version, made of this very build, with every pointer in place; else None."""
    analyst, public = current["analyst"], current["public"]
    if (
        analyst is None
        or public is None
        or analyst.version != public.version
        or {analyst.source, public.source} != {fingerprint}
        or not (analyst.is_whole() and public.is_whole())
    ):
        return None
    return Published(analyst.version, analyst.database, public.database, False)


def _check_kept(current: Mapping[str, Manifest | None], wanted: int) -> None:
    for found in current.values():
        kept = found.versions if found else []
        if wanted not in kept:
            listed = ", ".join(f"v{one}" for one in kept)
            raise UsageError(f"version v{wanted} is not kept", hint=f"kept: {listed or 'none'}")


def _make(
    settings: Settings,
    connection: Connection,
    tables: Sequence[MetricTable],
    current: Mapping[str, Manifest | None],
    fingerprint: str,
    rollback: int | None,
    now: dt.datetime,
    pages: Pages | None,
) -> Published:
    check_versions(settings)
    version = next_version(settings)
    lake = snapshot.lake_state(settings)
    # What the public may see first: a version that is refused leaves nothing behind.
    decided = None if rollback is not None else _decided(settings, connection, tables, current, version)
    made: dict[str, Tier] = {}
    for name in TIERS:
        tier = Tier(settings, name, version)
        before = current[name]
        with contextlib.ExitStack() as opened:
            if before is not None:
                opened.enter_context(_attached(connection, tier, before.database, "before"))
            if rollback is not None:
                source = tier.folder / f"{version_name(rollback)}.duckdb"
                opened.enter_context(_attached(connection, tier, source, "wanted"))
            if name == "public" and rollback is not None:
                check_again(connection, settings)
            if name == "public" and decided is not None:
                now_relations = decided.relations
            else:
                now_relations = _relations(connection, settings, tables, name, rollback)
            if name == "analyst":
                # The analysts' exact numbers decide the vintages of both tiers.
                dated = [table for table in tables if table.time_key is not None]
                released = {
                    key: release_folder(settings, row.month, row.vintage) for key, row in latest(settings).items()
                }
                restated.find_changes(connection, dated, before="before", now=now_relations, released=released)
                snapshot.change_kinds(connection, settings, before, lake, is_rollback=rollback is not None)
                restated.find_restatements(connection, dated, before="before", version=version)
                month_standing.settle(connection)
            # What is withdrawn is not told to the public again, as an earlier vintage or an old value.
            earlier = "wanted" if name == "public" and rollback is not None else "before"
            with _written(settings, connection, tier, tables, now_relations, lake, now, earlier=earlier):
                if name == "analyst":
                    shown = None if decided is None else decided.told.anew
                    write_told(connection, shown, settings.min_cell, before="before", target="target")
                elif decided is None:
                    write_counts(connection, settings, None, None, target="target")
                else:
                    if before is not None:
                        keep_passports(connection, tables, before="before", target="target")
                    write_counts(connection, settings, decided.withheld, decided.told, target="target")
        tier.settle()
        made[name] = tier
    _export(settings, list(made.values()))
    if pages is not None:
        _write_pages(made["public"], current["public"], pages)
    for name, tier in made.items():
        before = current[name]
        tier.prepare_pointers(now, lake, fingerprint, before.versions if before else [])
    failpoint("pub.pointer_tmp")
    failpoint("pub.pointer")
    for tier in made.values():
        tier.point()
    failpoint("pub.gc")
    for tier in made.values():
        collect(tier)
    return Published(version, made["analyst"].database, made["public"].database, True)


@dataclass(frozen=True)
class _Decided:
    """What the public tier shows: by table the relation that holds it, and of which cells."""

    relations: Mapping[str, str]
    withheld: Withheld
    told: Told


def _decided(
    settings: Settings,
    connection: Connection,
    tables: Sequence[MetricTable],
    current: Mapping[str, Manifest | None],
    version: int,
) -> _Decided:
    """Decide what is withheld and hold it against the gate. Raises GateClosed."""
    with contextlib.ExitStack() as opened:
        for name, before in current.items():
            if before is not None:
                tier = Tier(settings, name, version)
                opened.enter_context(_attached(connection, tier, before.database, f"{name}_before"))
        asked = decision(connection, tables, settings, before="analyst_before")
        while True:
            withheld = asked.made()
            write_flags(connection, tables, withheld.shown)
            relations = _relations(connection, settings, tables, "public", None)
            tell_on(connection, tables, relations, before="public_before")
            # What rows that stand keep back was counted as told: decided again, until no further row stands.
            if not asked.without(standing(connection, tables, withheld.shown & asked.cells.can_hide)):
                break
        connection.execute("DROP VIEW IF EXISTS told_before")
    return _Decided(relations, withheld, check_public(connection, tables, relations, withheld))


def _export(settings: Settings, tiers: Sequence[Tier]) -> None:
    """Write the exports of all tiers side by side: some hundred small files, each made durable."""

    def write(tier: Tier) -> None:
        with memory_connection(settings, threads=1) as reader:
            exports.write(reader, tier, is_public=tier.name == "public")

    with ThreadPoolExecutor(len(tiers)) as pool:
        list(pool.map(write, tiers))


def _write_pages(tier: Tier, before: Manifest | None, pages: Pages) -> None:
    """Let ``pages`` write the report of the finished version, whole, under its versioned name."""
    working = tier.working_folder / "report"
    working.mkdir()
    earlier = None if before is None else tier.report_of(before.version)
    with open_version(tier.database) as connection:
        pages(connection, working, earlier if earlier is not None and earlier.is_dir() else None)
    failpoint("pub.pages")
    tier.place_folder(working, tier.report_of(tier.version))


def _relations(
    connection: Connection, settings: Settings, tables: Sequence[MetricTable], tier: str, rollback: int | None
) -> dict[str, str]:
    """For each table the relation that holds what this tier will show (all columns but state and vintage)."""
    relations = {}
    users = users_withheld(connection, tables, settings.min_cell) if tier == "public" and rollback is None else None
    for table in tables:
        if rollback is not None:
            select = _as_it_was(connection, table)
        elif tier == "public":
            flagged = frozenset(one.name for one in measures([table]))
            select = public_select(table, f"shaped_{table.name}", flagged, users, settings.min_cell)
        else:
            columns = ", ".join(map(quoted, table.shaped))
            select = f"SELECT {columns} FROM shaped_{table.name}"  # noqa: S608 names of the build
        relations[table.name] = f"{tier}_{table.name}"
        connection.execute(f"DROP TABLE IF EXISTS temp.{tier}_{table.name}")
        connection.execute(f"CREATE TEMP TABLE {tier}_{table.name} AS {select}")
    return relations


def _as_it_was(connection: Connection, table: MetricTable) -> str:
    """SQL of a table's rows in the version that is wanted back; what it did not have is not provided."""
    if table.name not in restated.tables_of(connection, "wanted"):
        return f"SELECT {', '.join(map(quoted, table.shaped))} FROM shaped_{table.name} WHERE false"  # noqa: S608 of the build
    types = columns_of(connection, f"shaped_{table.name}")
    values = restated.aligned(connection, {name: types[name] for name in table.shaped}, f"wanted.marts.{table.name}")
    return f"SELECT {values} FROM wanted.marts.{table.name} AS own"  # noqa: S608 names of the build


@contextlib.contextmanager
def _written(
    settings: Settings,
    connection: Connection,
    tier: Tier,
    tables: Sequence[MetricTable],
    relations: Mapping[str, str],
    lake: Mapping[str, object],
    now: dt.datetime,
    *,
    earlier: str,
) -> Iterator[None]:
    """Write the tier's database file, closed and complete when left, under its temporary name."""
    # Storage v1.0.0: DuckDB 2's own format can be read by no 1.x client, BI drivers included. No log is written
    # ahead: a file whose publisher dies is swept away, and a whole one is made durable before it gets its name.
    options = "STORAGE_VERSION 'v1.0.0', RECOVERY_MODE no_wal_writes"
    connection.execute(f"ATTACH '{_quoted(tier.working_database)}' AS target ({options})")
    try:
        connection.execute("CREATE SCHEMA target.marts")
        for table in tables:
            tells_on = VINTAGE in columns_of(connection, relations[table.name])
            connection.execute(
                f"""
                CREATE TABLE target.marts.{table.name} AS
                SELECT {", ".join(_published(table, name, tells_on=tells_on) for name in table.columns)}
                FROM {relations[table.name]} AS own {_standing(table)}
                ORDER BY {", ".join(f"own.{quoted(key)}" for key in table.keys)}
                """  # noqa: S608 names of the build's tables
            )
        dated = [table for table in tables if table.time_key is not None]
        for table in dated:
            restated.write_vintages(connection, table, before=earlier, target="target")
        restated.write_restatements(connection, dated, before="before", target="target", earlier=earlier)
        snapshot.write_dimensions(connection, target="target")
        snapshot.write_meta(connection, settings, tier.name, tier.version, lake, now, target="target")
        write_losses(connection, target="target")
        passports.write(connection, tables, lake, now, target="target")
        # Some hundred small statements in one commit.
        in_transaction(connection, lambda: write_remarks(connection, tables, target="target"))
        yield
        connection.execute("CHECKPOINT target")
    finally:
        connection.execute("DETACH target")


def _standing(table: MetricTable) -> str:
    """SQL that joins a dated row to its month's or period's vintage and state; nothing for an evaluation."""
    if table.time_key is None:
        return ""
    return (
        "JOIN standing AS now ON now.calendar = own.calendar "
        f"AND now.time_key = own.{table.time_key} AND now.is_month = {table.is_monthly}"
    )


def _published(table: MetricTable, name: str, *, tells_on: bool) -> str:
    if table.time_key is not None and name == "vintage":
        return f"coalesce(own.{VINTAGE}, now.vintage) AS vintage" if tells_on else "now.vintage AS vintage"
    if table.time_key is not None and name == "state":
        # What misses a held batch is never more than provisional, however settled the month.
        return "if(own.held_agencies IS NULL, now.state, 'provisional') AS state"
    return f"own.{quoted(name)}"


@contextlib.contextmanager
def _attached(connection: Connection, tier: Tier, database: Path, alias: str) -> Iterator[None]:
    """A published file, read under a name of its own: a reader in this process may hold the same file open."""
    link = tier.working_folder / f"{alias}-{tier.name}.duckdb"
    link.unlink(missing_ok=True)
    link.hardlink_to(database)
    connection.execute(f"ATTACH '{_quoted(link)}' AS {alias} (READ_ONLY)")
    try:
        yield
    finally:
        connection.execute(f"DETACH {alias}")
        link.unlink()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _version_number(text: str) -> int:
    match = _VERSION.fullmatch(text)
    if match is None:
        raise UsageError(f"not a version: {text!r}", hint="such as v12")
    return int(match[1])
