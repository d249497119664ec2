"""The inventory as events, held against an independent recount of the file."""

import csv
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from contracts.errors import BadInput, UsageError
from contracts.event import Event, Known, Record, parse
from contracts.reporting_time import month_of, tehran_date
from producers.canada_events import declarations, scale_of, transactions
from producers.canada_inventory import catalogue_rows, level_of, read_inventory

FILE = Path(__file__).parents[3] / "producers/data/canada-service-inventory-2023-2024.csv"
# Written down a second time on purpose: the recount shares nothing with the code but the file.
COLUMNS = {
    "portal": ["num_applications_online"],
    "service_desk": ["num_applications_in_person"],
    "phone": ["num_applications_by_phone"],
    "paper": ["num_applications_by_mail"],
    "other": ["num_applications_by_email", "num_applications_by_fax", "num_applications_by_other"],
}
MILLI = Fraction(1, 1000)


@pytest.fixture(scope="module")
def file_rows():
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def inventory():
    return read_inventory()


@pytest.fixture(scope="module")
def declared(inventory):
    return {agency: [json.loads(v) for v in declarations(inventory, agency)] for agency in inventory.agencies}


@pytest.fixture(scope="module")
def happened(inventory):
    return {agency: [json.loads(v) for v in transactions(inventory, agency, MILLI)] for agency in inventory.agencies}


def told(cells):
    numbers = [int(cell) for cell in cells if cell not in ("NA", "ND")]
    if numbers:
        return sum(numbers)
    return "not_provided" if "ND" in cells else "not_applicable"


def combined(values):
    return told([{"not_provided": "ND", "not_applicable": "NA"}.get(v, v) for v in values])


def test_every_service_and_channel_is_declared_as_the_file_tells_it(file_rows, declared):
    expected = {
        (row["owner_org"].lower(), row["service_id"], channel): told([row[c] for c in columns])
        for row in file_rows
        for channel, columns in COLUMNS.items()
    }
    said = {
        (agency, event["data"]["service_id"], event["data"]["channel"]): event["data"]["value"]
        for agency, events in declared.items()
        for event in events
    }
    assert said == expected
    assert sum(map(len, declared.values())) == len(file_rows) * 5 == 4310
    assert Counter(v if isinstance(v, str) else "number" for v in said.values()).keys() == {
        "number",
        "not_provided",
        "not_applicable",
    }


def test_a_departments_figure_per_channel_follows_from_its_services_declarations(file_rows, declared):
    cells = defaultdict(list)
    for row in file_rows:
        for channel, columns in COLUMNS.items():
            cells[row["owner_org"].lower(), channel] += [row[c] for c in columns]
    for (agency, channel), given in cells.items():
        values = [e["data"]["value"] for e in declared[agency] if e["data"]["channel"] == channel]
        assert combined(values) == told(given), (agency, channel)


def test_the_declared_total_of_all_departments_is_the_files(file_rows, declared):
    total = sum(int(row[c]) for row in file_rows for columns in COLUMNS.values() for c in columns if row[c].isdigit())
    said = [e["data"]["value"] for events in declared.values() for e in events]
    assert sum(v for v in said if isinstance(v, int)) == total == 97_572_888


def test_scaled_transactions_per_department_and_channel_are_the_rounded_totals(file_rows, happened):
    totals = Counter()
    for row in file_rows:
        for channel, columns in COLUMNS.items():
            totals[row["owner_org"].lower(), channel] += sum(int(row[c]) for c in columns if row[c].isdigit())
    expected = {
        key: int((Decimal(total) / 1000).quantize(Decimal(1), ROUND_HALF_EVEN)) for key, total in totals.items()
    }
    counts = Counter((agency, e["data"]["channel"]) for agency, events in happened.items() for e in events)
    assert {key: counts.get(key, 0) for key in expected} == expected
    assert sum(counts.values()) == 97_570


def test_a_service_is_at_most_one_event_away_from_its_exact_share(file_rows, happened):
    counts = Counter((e["data"]["service_id"], e["data"]["channel"]) for events in happened.values() for e in events)
    for row in file_rows:
        for channel, columns in COLUMNS.items():
            exact = sum(int(row[c]) for c in columns if row[c].isdigit()) / 1000
            assert abs(counts[row["service_id"], channel] - exact) <= 1


def test_every_event_is_accepted_by_the_contract(inventory, file_rows):
    known = Known({row["service_id"]: None for row in file_rows}, {}, frozenset({"t1"}))
    now = datetime.now(UTC)
    for agency in ("ic", "tc", "nrcan-rncan"):
        for value in (*declarations(inventory, agency), *transactions(inventory, agency, Fraction(1, 10_000))):
            assert isinstance(parse(Record(value, agency), now, known), Event)


def test_ids_are_unique_and_the_same_import_twice_says_the_same(inventory, declared, happened):
    for agency in inventory.agencies:
        ids = [e["id"] for e in (*declared[agency], *happened[agency])]
        assert len(set(ids)) == len(ids)
    again = [json.loads(v) for v in transactions(read_inventory(), "ic", MILLI)]
    assert again == happened["ic"]


def test_a_larger_scale_only_adds_events(inventory):
    small = set(transactions(inventory, "ic", Fraction(1, 10_000)))
    large = set(transactions(inventory, "ic", MILLI))
    assert small
    assert small < large


def test_transactions_fall_evenly_into_the_twelve_months_of_the_fiscal_year_in_tehran(happened):
    months = Counter(
        month_of("gregorian", tehran_date(datetime.fromisoformat(e["time"]))).label
        for events in happened.values()
        for e in events
    )
    assert sorted(months) == [f"2023-{m:02d}" for m in range(4, 13)] + ["2024-01", "2024-02", "2024-03"]
    assert max(months.values()) < 1.1 * min(months.values())


def test_the_number_of_distinct_persons_is_plausible(happened):
    events = [e for of_agency in happened.values() for e in of_agency]
    persons = {e["data"]["user_key"] for e in events}
    assert 0.5 * len(events) < len(persons) < 0.8 * len(events)


@pytest.mark.parametrize(
    ("points", "visits", "level"),
    [
        ("Y Y Y Y Y Y", 0, "full"),
        ("Y NA NA NA NA NA", "not_provided", "full"),
        ("Y N NA NA NA NA", 9, "partial"),
        ("N N N N N N", 9, "informational"),
        ("N NA NA NA NA NA", 0, "none"),
        ("N N N N N N", "not_provided", "none"),
        ("N N N N N N", "not_applicable", "none"),
        ("NA NA NA NA NA NA", 9, "unknown"),
    ],
)
def test_online_points_tell_the_level(points, visits, level):
    assert level_of(points.split(), visits) == level


def test_levels_of_the_file_match_a_recount(inventory, file_rows):
    points = [c for c in file_rows[0] if c.startswith("os_")]
    recount = Counter()
    for row in file_rows:
        seen = {row[p] for p in points} - {"NA"}
        recount["unknown" if not seen else "full" if seen == {"Y"} else "partial" if "Y" in seen else "rest"] += 1
    levels = Counter(s.level for s in inventory.services)
    assert levels["informational"] + levels["none"] == recount.pop("rest")
    assert recount == {level: levels[level] for level in ("unknown", "full", "partial")}
    assert (levels["full"], levels["partial"], levels["unknown"]) == (213, 170, 245)


def test_the_catalogue_gets_every_department_and_service_with_the_channels_they_offer(inventory, file_rows):
    rows = catalogue_rows(inventory)
    assert len(rows["agencies"]) == 41
    assert len(rows["services"]) == 862
    names = {r["agency_id"]: r["name_en"] for r in rows["agencies"]}
    assert names["ic"] == "Innovation, Science and Economic Development Canada"
    offered = {r["service_id"]: set(r["channels"]) for r in rows["services"]}
    for row in file_rows:
        assert offered[row["service_id"]] == {
            channel for channel, columns in COLUMNS.items() if any(row[c] != "NA" for c in columns)
        }


@pytest.mark.parametrize("text", ["0", "-1", "2", "nan", "inf", "1e-999999999", "", "0,001", "1/0", "۰٫۱"])
def test_a_scale_outside_its_range_is_refused(text):
    with pytest.raises(UsageError):
        scale_of(text)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda t: t.replace(",314\n", "\n", 1), 2),  # a cell too few
        (lambda t: t.replace("Y,N,N,N,N,N,ND,2,", "Y,N,N,N,N,N,ND,-2,", 1), 2),
        (lambda t: t.replace("INTERN_GOV,Y,N", "INTERN_GOV,maybe,N", 1), 2),
        (lambda t: t.replace("\n2023-2024,atssc-scdata", "\n2023-2025,atssc-scdata", 1), 2),
        (lambda t: t.replace(",3596,", ",3595,", 1), 3),
        (lambda t: t.replace("owner_org,", "owner,", 1), 1),
    ],
)
def test_a_file_that_is_not_the_inventory_is_refused_with_its_line(tmp_path, change, line):
    changed = change(FILE.read_text(encoding="utf-8").replace("\r\n", "\n"))
    (tmp_path / "other.csv").write_text(changed, encoding="utf-8")
    with pytest.raises(BadInput, match=rf"^other.csv:{line}: "):
        read_inventory(tmp_path / "other.csv")


def test_a_corrected_file_replaces_what_the_first_one_declared(tmp_path, inventory):
    path = tmp_path / "corrected.csv"
    path.write_text(FILE.read_text(encoding="utf-8").replace(",314\n", ",315\n", 1), encoding="utf-8")
    first = [json.loads(v) for v in declarations(inventory, "atssc-scdata")]
    second = [json.loads(v) for v in declarations(read_inventory(path), "atssc-scdata")]
    assert {e["id"] for e in first}.isdisjoint(e["id"] for e in second)
    assert max(e["time"] for e in first) < min(e["time"] for e in second)


def test_a_copy_of_the_shipped_file_says_exactly_what_the_shipped_file_says(tmp_path, inventory):
    (tmp_path / "copy.csv").write_bytes(FILE.read_bytes())
    assert read_inventory(tmp_path / "copy.csv") == inventory
