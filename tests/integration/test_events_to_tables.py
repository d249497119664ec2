"""Two hundred thousand random events, as plain Kafka clients send them, against an oracle that shares no code.

The events go through the real broker in several waves, out of order, some twice, with garbage between them. What is
published must equal what plain Python computes from the definitions: every row and column, no more and no fewer.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from broker import local
from broker.administration import add_agencies
from catalogue.load import load_tables
from contracts.event_contract import event_contract
from contracts.settings import Settings
from contracts.topics import topic_of
from pipeline.steps import initialise
from warehouse.published import open_published

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "oracle"), str(TESTS / "unit" / "transforms")]
import monthly_oracle  # noqa: E402
import random_events  # noqa: E402
from lake_bench import assert_equal  # noqa: E402

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

SIZE = 200_000
SEED = 1399
GARBAGE_SHARE = 0.05
TWICE_SHARE = 0.04
WAVES = 3
FIELDS = {field.column: field.name for field in event_contract().fields.values()}
MEASURES = {
    "monthly_users": ("active_users", "new_users", "registered_users"),
    "monthly_visits": ("visits", "visits_per_active_user"),
    "monthly_transactions": (
        "received", "completed", "accepted", "declared", "reject_rate", "duration_p50", "duration_p90",
    ),
    "monthly_channel_share": ("transactions", "total_transactions", "share", "users_share"),
    "period_totals": ("active_users", "visits", "completed", "declared", "days"),
}  # fmt: skip
KEYS = ("calendar", "month", "scope", "scope_id", "channel")


def cloud_event(event: dict[str, Any]) -> bytes:
    """The event as an agency says it: `pid` stands for the person, so any one-to-one key will do."""
    data = {
        FIELDS[column]: value
        for column, value in event.items()
        if column in FIELDS and value is not None and column != "pid"
    }
    if event.get("pid") is not None:
        data["user_key"] = (event["pid"] * 2).hex()
    if event["event_type"] == random_events.DECLARED:
        data["value"] = event["declared_value"] if event["declared_status"] == "value" else event["declared_status"]
    return json.dumps(
        {
            "specversion": "1.0",
            "id": event["event_id"],
            "source": event["source"],
            "type": event["event_type"],
            "time": event["occurred_at"].isoformat(),
            "data": data,
        }
    ).encode()


def garbage(rng: random.Random, good: bytes) -> bytes:
    """Something no parser should take: cut short, a foreign format, a field too many, a broken byte."""
    kind = rng.randrange(5)
    if kind == 0:
        return good[: rng.randrange(1, len(good) - 1)]
    if kind == 1:
        return rng.choice((b"", b"{", b"[1, 2]", b"<event/>", b"a,b,c", b"\x00\x00\x00\x00\x07abc", b"\xff\xfe{"))
    if kind == 2:
        return good.replace(b'"specversion"', b'"extra": 1, "specversion"')
    if kind == 3:
        return good.replace(b'"channel": "', b'"channel": "no-') if b'"channel"' in good else good[:-1]
    return good.replace(b'"1.0"', b'"0.3"')


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("whole")
    settings = Settings.load({"MIZAN_HOME": str(folder)}, folder=folder)
    initialise(settings)
    try:
        local.up(settings)
        yield settings
    finally:
        local.down(settings)


def mizan(settings: Settings, *call: str) -> dict[str, Any]:
    environment = os.environ | {"MIZAN_HOME": str(settings.home)}
    done = subprocess.run(
        [sys.executable, "-m", "console.main", *call], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout) if "--json" in call else {}


def published(settings: Settings) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    with open_published(settings, "analyst") as connection:
        for name, measures in MEASURES.items():
            keys = tuple("period" if name == "period_totals" and key == "month" else key for key in KEYS)
            listed = ", ".join([*keys, *measures, *(f"{measure}_status" for measure in measures if measure != "days")])
            table: dict[tuple[str, ...], dict[str, Any]] = {}
            result = connection.execute(f"SELECT {listed} FROM marts.{name}")
            columns = [column[0] for column in result.description]
            for values in result.fetchall():
                row = dict(zip(columns, values, strict=True))
                key = tuple(row[key] for key in keys)
                assert key not in table, f"{name} has two rows {key}"
                table[key] = {
                    measure: row[measure]
                    if row.get(f"{measure}_status", "value") == "value"
                    else row[f"{measure}_status"]
                    for measure in measures
                }
            found[name] = table
    return found


def test_published_tables_equal_the_oracle_on_two_hundred_thousand_random_events(home: Settings) -> None:
    rng = random.Random(SEED)
    world = random_events.world(SEED, SIZE)
    for row in world.catalogue.agencies:
        # A chain that bites its tail is refused by the catalogue; the unit tests have it straight in the lake.
        row["parent_id"] = None if row["agency_id"].startswith("circle") else row["parent_id"]
    tables = {name: getattr(world.catalogue, name) for name in ("places", "agencies", "services")}
    load_tables(home, "catalogue", tables)
    add_agencies(home, list(random_events.SENDERS))

    producer = Producer({**home.kafka_admin().for_librdkafka(), "linger.ms": 20, "compression.type": "lz4"})
    failed: list[Any] = []

    def send(agency: str, value: bytes) -> None:
        while True:
            try:
                producer.produce(
                    topic_of(agency), value, on_delivery=lambda error, _: failed.append(error) if error else None
                )
                break
            except BufferError:
                producer.poll(0.2)
        producer.poll(0)

    # The newest months first: every later wave is late, for months already published too.
    ordered = sorted(world.events, key=lambda event: event["occurred_at"], reverse=True)
    bad = again = 0
    cut = [len(ordered) * wave // WAVES for wave in range(WAVES + 1)]
    for wave in range(WAVES):
        part = ordered[cut[wave] : cut[wave + 1]]
        rng.shuffle(part)
        for event in part:
            value = cloud_event(event)
            send(event["agency_id"], value)
            if rng.random() < TWICE_SHARE:
                send(event["agency_id"], value)
                again += 1
            if rng.random() < GARBAGE_SHARE:
                send(rng.choice(random_events.SENDERS), garbage(rng, value))
                bad += 1
        assert producer.flush(120) == 0
        assert not failed
        mizan(home, "run")

    landed = mizan(home, "land", "--json")
    assert (landed["events"], landed["quarantined"], landed["duplicates"]) == (0, 0, 0)
    agencies = mizan(home, "status", "--json")["agencies"]
    totals = {name: sum(row[name] for row in agencies) for name in ("landed", "quarantined", "duplicates", "lag")}
    assert totals == {"landed": len(world.events), "quarantined": bad, "duplicates": again, "lag": 0}
    assert mizan(home, "verify", "--json")["ok"]

    expected = monthly_oracle.compute(world.events, world.catalogue.agencies, world.catalogue.places)
    wanted = {
        "monthly_users": expected.users,
        "monthly_visits": expected.visits,
        "monthly_transactions": expected.transactions,
        "monthly_channel_share": expected.channel_share,
        "period_totals": expected.periods,
    }
    assert_equal(
        published(home),
        {
            name: {key: {m: row[m] for m in MEASURES[name]} for key, row in table.items()}
            for name, table in wanted.items()
        },
    )
