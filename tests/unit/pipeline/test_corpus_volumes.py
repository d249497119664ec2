"""The corpus' odd volumes: accepted, counted, warned of at the gate; the public reads no number of fewer than k."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from corpus_cases import Described, described

from catalogue.load import load_tables
from contracts.lake_tables import lake_tables
from contracts.reporting_time import month_of
from contracts.settings import Settings
from pipeline import steps
from warehouse.connection import memory_connection
from warehouse.lake import Lake
from warehouse.landing_log import commit, open_table, write_file
from warehouse.published import open_published

VOLUMES = list(described("volume"))
# The largest run is made whole where there is time for it.
DAY = 86_400_000_000  # microseconds
MOST_VISITS = 1_000_000 if os.environ.get("CORPUS_TIMES", "1") != "1" else 20_000


def agency_of(volume: Described) -> str:
    return "a-" + volume.name.split("/")[1].split(".")[0][:30].rstrip("-")


def land(settings: Settings, volume: Described) -> None:
    """Visits of an agency of its own, as one landed batch."""
    agency, first = agency_of(volume), 0
    columns = lake_tables()["events"]
    snapshot = open_table(Lake(settings), "events")
    queries = []
    for run in volume.document["runs"]:
        count, days = min(run["visits"], MOST_VISITS), run["days"]
        begin = dt.datetime.fromisoformat(f"{run['from']}T08:00:00+00:00")
        known = {
            "event_id": f"concat('e-', i + {first})",
            "source": f"'/agencies/{agency}'",
            "agency_id": f"'{agency}'",
            "event_type": "'ir.egov.visit.recorded.v1'",
            "occurred_at": f"'{begin.isoformat()}'::TIMESTAMPTZ + to_microseconds(i * {days * DAY // count})",
            "landed_at": "now()",
            "pid": f"from_hex(md5(concat('{agency}', i % {run['persons']}, '{run['persons']}')))",
            "visit_id": f"concat('v-', i + {first})",
            "channel": "'portal'",
            "batch_id": f"'b-{agency}'",
            "topic": f"'egov.events.v1.{agency}'",
            "partition": "0",
            "offset": f"i + {first}",
        }
        chosen = [f'({known.get(name, "NULL")})::{kind} AS "{name}"' for name, kind in columns.items()]
        queries.append(f"SELECT {', '.join(chosen)} FROM range({count}) AS n(i)")
        first += count
    with memory_connection(settings) as connection:
        file = write_file(connection, " UNION ALL ".join(queries), snapshot, f"b-{agency}.parquet")
    assert file is not None
    commit(snapshot, [file], {}, {"kind": "land", "batch_id": f"b-{agency}", "partitions": {}})


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, set[str]]]:
    """A home with every volume landed, gated, built and published; and what the gate warned of, by agency."""
    home = tmp_path_factory.mktemp("volumes") / "home"
    settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home.parent)
    steps.initialise(settings)
    names = [{"agency_id": agency_of(volume), "name_fa": "دستگاه", "name_en": "Agency"} for volume in VOLUMES]
    load_tables(settings, "test", {"agencies": names})
    for volume in VOLUMES:
        land(settings, volume)
    result, _ = steps.judge_batches(settings)
    found = {}
    for entry in result.agencies:
        assert entry["verdict"] in ("passed", "warned"), entry
        found[entry["agency_id"]] = {finding["expectation"] for finding in entry["findings"]}
    steps.update_facts(settings)
    steps.publish_marts(settings)
    return settings, found


def cell(settings: Settings, tier: str, agency: str, month: str) -> tuple[object, str] | None:
    with open_published(settings, tier) as connection:
        found = connection.execute(
            "SELECT active_users, active_users_status FROM marts.monthly_users WHERE calendar = 'jalali' "
            "AND scope = 'agency' AND scope_id = $agency AND channel = 'all' AND month = $month",
            {"agency": agency, "month": month},
        ).fetchall()
    return found[0] if found else None


def is_small(settings: Settings, agency: str, month: str) -> bool:
    found = cell(settings, "analyst", agency, month)
    return found is not None and isinstance(found[0], int) and found[0] < settings.min_cell


@pytest.mark.parametrize("volume", VOLUMES, ids=lambda volume: volume.name)
def test_an_odd_volume_is_counted_and_warned_of_and_small_cells_are_kept_from_the_public(published, volume: Described):
    settings, warned = published
    agency = agency_of(volume)
    assert volume.expected["outcome"] == "ACC"
    assert warned.get(agency, set()) == set(volume.expected["gate"])
    for month, status in volume.expected["public"].items():
        exact, shown = cell(settings, "analyst", agency, month), cell(settings, "public", agency, month)
        persons = sum(
            run["persons"]
            for run in volume.document["runs"]
            if month_of("jalali", dt.date.fromisoformat(run["from"])).label == month
        )
        assert exact == (persons, "value")
        assert shown is not None
        if status == "quiet":
            # Flows of a month between two others are zero; nobody learns of a person from either word.
            assert (persons, shown) in ((0, (0, "value")), (0, (None, "suppressed")))
            continue
        if status == "value" and shown[1] == "suppressed":
            # Large enough, and withheld all the same: beside small ones that would follow from it.
            assert any(is_small(settings, agency_of(one), when) for one in VOLUMES for when in one.expected["public"])
            continue
        assert shown == ((None, status) if status == "suppressed" else (persons, status))
