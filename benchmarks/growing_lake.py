"""A lake that grows month by month, written as landing's commits leave it, and small batches that come after it.

A month has MONTHLY events, so a larger history is a longer one and its newest month is no larger. A group of three
events is a visit and a transaction received and completed in it; every tenth transaction stays open. Who comes is drawn
from all persons there have been, a fifth as many as events. The first month is FIRST.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.reporting_time import Month

if TYPE_CHECKING:
    from contracts.settings import Settings
    from warehouse.connection import Connection

MONTHLY = 1_000_000
FIRST = Month("jalali", 1390, 1)
MINISTRIES, SERVICES_EACH = 3, 3
AGENCIES = tuple(f"agency-{number:02d}" for number in range(12))
PROVINCES = ("qom", "tehran")
CHANNELS = ("portal", "mobile_app", "counter_office", "national_window")
# Of so many persons one comes again in the batches; only these have a pid that landing would make of a key.
ONE_RETURNS_OF = 16
# The last so many of every REPEATABLE_OF events may be said again: their content is not kept, so it is the same.
REPEATS, REPEATABLE_OF = 100, 10_000
_SECOND = 1000


def month_number(number: int) -> Month:
    """The history's month of that number, from 0."""
    place = FIRST.year * 12 + FIRST.number - 1 + number
    return Month("jalali", place // 12, place % 12 + 1)


def catalogue() -> dict[str, list[dict[str, str]]]:
    """The rows of the catalogue's files: a small one, because publishing grows with what there is to publish."""
    since = {"valid_from": FIRST.first_day.isoformat(), "valid_to": ""}
    places = [
        {"place_id": place, "kind": "province", "parent_id": "", "name_fa": place, "name_en": place}
        for place in PROVINCES
    ]
    agencies = [
        {
            "agency_id": agency, "name_fa": agency, "name_en": agency, "level": "national", "province": "",
            "district": "", "expected_to_report": "true", **since,
            "parent_id": "" if number < MINISTRIES else AGENCIES[number % MINISTRIES],
        }
        for number, agency in enumerate(AGENCIES)
    ]  # fmt: skip
    services = [
        {
            "service_id": service(agency, number), "agency_id": agency, "name_fa": service(agency, number),
            "name_en": service(agency, number), "declared_level": "full", "audience": "citizen",
            "nature": "transactional", "lifecycle": "live", "launched_at": "", "primary_channel": "portal",
            "channels": "|".join(CHANNELS), "countability": "countable", "block_reason": "", "via_window": "false",
            **since,
        }
        for agency in AGENCIES for number in range(SERVICES_EACH)
    ]  # fmt: skip
    return {"places": places, "agencies": agencies, "services": services}


def service(agency: str, number: int) -> str:
    """The id of an agency's service."""
    return f"{agency}-service-{number}"


def user_key(person: int) -> str:
    """What an agency sends for a person of that number."""
    return hashlib.sha256(f"person {person}".encode()).hexdigest()


def grow(settings: Settings, first: int, last: int) -> None:
    """Add the months from number ``first`` to before ``last``: a file and a commit each, every agency's part passed.

    Their commits name no offsets: they stand for topics that are gone. Files are ordered as compaction orders them.
    """
    import datetime as dt

    from contracts.platform_key import read_platform_key
    from landing.batch_rows import RANGED
    from warehouse.connection import memory_connection
    from warehouse.lake import Lake
    from warehouse.landing_log import commit, write_file

    lake = Lake(settings)
    made = read_platform_key(settings.platform_key_file).pid_maker()
    for number in range(first, last):
        batch = batch_of(number)
        events = lake.open("events")
        with memory_connection(settings) as connection:
            connection.create_function("pid_of", lambda person: made(user_key(person)), ["BIGINT"], "BLOB")  # type: ignore[list-item]
            query = f"{_month(connection, number, batch)} ORDER BY agency_id, occurred_at"
            file = write_file(connection, query, events, f"{batch}.parquet", RANGED)
        assert file is not None
        commit(events, [file], {}, {"kind": "land", "batch_id": batch, "partitions": {}})
        decided = {"batch_id": batch, "verdict": "passed", "decided_by": "gate", "decided_at": dt.datetime.now(dt.UTC)}
        lake.append("verdicts", [{**decided, "agency_id": agency} for agency in AGENCIES])


def batch_of(number: int) -> str:
    """The batch that brought a month."""
    return f"history-{number:06d}"


def _month(connection: Connection, number: int, batch: str) -> str:
    """SQL of a month's rows of ``events``; keeps their draws in a temporary table."""
    from contracts.event_contract import event_contract
    from contracts.lake_tables import lake_tables

    month = month_number(number)
    begin, end = (int(instant.timestamp() * _SECOND) for instant in (month.start, month.end))
    first = number * MONTHLY
    connection.execute(f"""
        CREATE TEMP TABLE drawn AS
        SELECT i, i // 3 AS g, i % 30 = 2 AS is_open, {begin} + (i - {first}) * {end - begin} // {MONTHLY} AS ms,
            hash(i // 3, 1) % {len(AGENCIES)} AS agency, (hash(i // 3, 2) % greatest(1000, i // 15 * 3))::BIGINT AS n
        FROM range({first}, {first + MONTHLY}) AS t(i)
    """)  # noqa: S608 our own numbers
    connection.execute(f"""
        CREATE TEMP TABLE known AS SELECT n, pid_of(n) AS pid
        FROM (SELECT DISTINCT n FROM drawn WHERE n % {ONE_RETURNS_OF} = 0)
    """)  # noqa: S608 our own numbers
    is_transaction = "CASE WHEN i % 3 > 0 THEN {} END"
    is_completed = "CASE WHEN i % 3 = 2 AND NOT is_open THEN {} END"
    agency = "printf('agency-%02d', agency)"
    given = {
        "event_id": "printf('%012x', ms) || '-' || left(md5(i::VARCHAR), 20)",
        "source": f"'/agencies/' || {agency}",
        "agency_id": agency,
        "event_type": """'ir.egov.' || CASE WHEN i % 3 = 0 THEN 'visit.recorded' WHEN i % 3 = 1 OR is_open
            THEN 'transaction.received' ELSE 'transaction.completed' END || '.v1'""",
        "occurred_at": "make_timestamptz(ms * 1000)",
        "landed_at": "make_timestamptz((ms + 60000) * 1000)",
        "transaction_id": is_transaction.format("if(is_open, 'o-' || i, 't-' || g)"),
        "service_id": is_transaction.format(f"{agency} || '-service-' || (hash(g, 3) % {SERVICES_EACH})"),
        "channel": f"list_extract({list(CHANNELS)}, 1 + (hash(g, 4) % {len(CHANNELS)})::INTEGER)",
        "pid": "coalesce(known.pid, unhex(md5('person ' || n)))",
        "visit_id": "'v-' || g",
        "audience": "'citizen'",
        "province": f"list_extract({list(PROVINCES)}, 1 + (n % {len(PROVINCES)})::INTEGER)",
        "age_band": "list_extract(['18_34', '35_49', '50_64'], 1 + (n % 3)::INTEGER)",
        "authn_level": "'verified'",
        "outcome": is_completed.format("if(hash(g, 5) % 10 < 9, 'accepted', 'rejected')"),
        "duration_seconds": is_completed.format("hash(g, 6) % 100000"),
        "payload_digest": f"if(i % {REPEATABLE_OF} < {REPEATABLE_OF - REPEATS}, unhex(md5('content ' || i)), NULL)",
        "topic": f"'egov.events.v1.' || {agency}",
        "partition": "1000",
        "offset": "i",
        "batch_id": f"'{batch}'",
        "contract_version": f"'{event_contract().version}'",
    }
    columns = ", ".join(
        f'({given.get(name, "NULL")})::{kind} AS "{name}"' for name, kind in lake_tables()["events"].items()
    )
    return f"SELECT {columns} FROM drawn LEFT JOIN known USING (n)"  # noqa: S608 our own names and numbers


def batch(settings: Settings, months: int, count: int) -> Iterator[tuple[str, bytes]]:
    """(agency, event) of ``count`` new events in the last minute of the history's ``months``, and REPEATS old ones.

    A third are visits, a third transactions received, a third completed: every other one of the batch, the others of
    those that history left open. Every other person has come before.
    """
    from warehouse.connection import memory_connection
    from warehouse.lake import Lake

    (newest,) = (file for file in Lake(settings).open("events").files if Path(file).stem == batch_of(months - 1))
    with memory_connection(settings) as connection:
        opened = connection.execute(
            """SELECT agency_id, transaction_id, service_id, channel FROM read_parquet($file)
            WHERE starts_with(transaction_id, 'o-') ORDER BY event_id DESC LIMIT $count""",
            {"file": newest, "count": count},
        ).fetchall()
        repeats = connection.execute(
            """SELECT agency_id, event_id, event_type, epoch_ms(occurred_at), visit_id, channel FROM read_parquet($file)
            WHERE payload_digest IS NULL AND event_type = 'ir.egov.visit.recorded.v1'
            ORDER BY event_id DESC LIMIT $count""",
            {"file": newest, "count": REPEATS},
        ).fetchall()
    yield from islice(_new(months, count, opened), count)
    for agency, event_id, kind, at, visit_id, channel in repeats:
        yield agency, _event(agency, event_id, kind, at, {"visit_id": visit_id, "channel": channel})


def _new(months: int, count: int, opened: list[tuple[str, str, str, str]]) -> Iterator[tuple[str, bytes]]:
    begin = int(month_number(months - 1).end.timestamp() * _SECOND) - 60 * _SECOND
    persons = months * MONTHLY // 5
    for number in range(count):
        group, place = divmod(number, 3)
        agency = AGENCIES[group % len(AGENCIES)]
        at = begin + number * 60 * _SECOND // count
        # Of two prime numbers, so that agencies and persons meet in every way.
        old = group * 7919 % max(1, persons // ONE_RETURNS_OF) * ONE_RETURNS_OF
        data = {
            "visit_id": f"v-new-{months}-{group}",
            "channel": CHANNELS[group % len(CHANNELS)],
            "user_key": user_key(old if group % 2 else persons * 10 + group + months),
            "audience": "citizen",
            "province": PROVINCES[group % len(PROVINCES)],
            "age_band": "18_34",
            "authn_level": "verified",
        }
        kind = ("visit.recorded", "transaction.received", "transaction.completed")[place]
        if place:
            data |= {"transaction_id": f"t-new-{months}-{group}", "service_id": service(agency, group % SERVICES_EACH)}
        if place == 2:
            data |= {"outcome": "accepted", "duration_seconds": 40}
            if group % 2 and group // 2 < len(opened):
                agency, data["transaction_id"], data["service_id"], data["channel"] = opened[group // 2]
        name = hashlib.sha256(f"{months} {number}".encode()).hexdigest()[:20]
        yield agency, _event(agency, f"{at:012x}-{name}", f"ir.egov.{kind}.v1", at, data)


def _event(agency: str, event_id: str, kind: str, at: int, data: Mapping[str, Any]) -> bytes:
    import datetime as dt

    time = dt.datetime.fromtimestamp(at / _SECOND, dt.UTC).isoformat(timespec="milliseconds")
    document = {"specversion": "1.0", "id": event_id, "source": f"/agencies/{agency}", "type": kind, "time": time}
    return json.dumps({**document, "data": data}, separators=(",", ":")).encode()
