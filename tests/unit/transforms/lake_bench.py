"""A lake of its own per test, filled straight with rows; the build in a file beside it."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from contracts.lake_tables import lake_tables
from contracts.settings import Settings
from transforms import evaluation, refresh
from transforms.model import models
from warehouse.connection import Connection, build_connection
from warehouse.lake import Lake, arrow_schema

# tests/ is no package: the oracle is found by its folder.
sys.path.insert(0, str(Path(__file__).parents[2] / "oracle"))
import monthly_oracle
import random_events

# The day on which every test looks at its figures.
TODAY = dt.date(2026, 1, 1)


class LakeBench:
    """One lake and its build."""

    def __init__(self, home: Path, catalogue: Any = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
        self.lake = Lake(self.settings)
        self.lake.create()
        self.catalogue = catalogue or random_events.catalogue()
        self.decided = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def land(self, batch_id: str, events: Sequence[Mapping[str, Any]], verdict: str | None = "passed") -> None:
        """Append events as one batch, with one verdict for each of its agencies (None: not judged)."""
        columns = lake_tables()["events"]
        rows = [{name: event.get(name) for name in columns} | {"batch_id": batch_id} for event in events]
        table = pa.Table.from_pylist(rows, schema=arrow_schema(columns))
        write_deltalake(self.lake.open("events").handle, table, mode="append")
        if verdict is not None:
            self.judge(batch_id, {event["agency_id"] for event in events}, verdict)

    def judge(self, batch_id: str, agencies: Iterable[str], verdict: str) -> None:
        self.decided += dt.timedelta(seconds=1)
        self.lake.append(
            "verdicts",
            [
                {"batch_id": batch_id, "agency_id": agency, "verdict": verdict, "decided_at": self.decided}
                for agency in sorted(agencies)
            ],
        )

    @contextmanager
    def build(self) -> Iterator[Connection]:
        with build_connection(self.settings) as connection:
            yield connection

    def update(self, connection: Connection) -> list[Any]:
        """Facts and every month that waits; the months."""
        found = sorted(refresh.update_facts(connection, self.lake, self.catalogue))
        refresh.compute(connection, found)
        evaluation.refresh(connection, TODAY)
        return found


def as_oracle(connection: Connection) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    """The built tables in the oracle's form: number, not_provided or not_applicable per measure, and its keys."""
    found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    for model in models("metrics").values():
        result = connection.sql(f'SELECT * FROM "{model.table}"')
        names = result.columns
        table: dict[tuple[str, ...], dict[str, Any]] = {}
        for values in result.fetchall():
            row = dict(zip(names, values, strict=True))
            key = tuple(row[name] for name in model.grain)
            assert key not in table, f"{model.table} has two rows {key}"
            # Of the attributes only those of a closed list say something that the key does not.
            told = [one.name for one in model.columns if one.spec["role"] == "attribute" and "vocabulary" in one.spec]
            table[key] = {name: row[name] for name in told}
            for measure in model.measures:
                status, value = row[f"{measure.name}_status"], row[measure.name]
                assert (value is not None) == (status == "value"), (key, measure.name, status, value)
                table[key][measure.name] = value if status == "value" else status
                if measure.spec.get("keys"):
                    table[key][f"{measure.name}_keys"] = row[f"{measure.name}_keys"]
        found[model.name] = table
    return found


def expected(events: Sequence[Mapping[str, Any]], catalogue: Any) -> dict[str, Any]:
    """The oracle's tables under the metrics' names."""
    tables = monthly_oracle.compute(events, catalogue.agencies, catalogue.places)
    return {
        "monthly_users": tables.users,
        "monthly_visits": tables.visits,
        "monthly_transactions": tables.transactions,
        "monthly_channel_share": tables.channel_share,
        "period_totals": tables.periods,
        "monthly_digital_take_up": tables.take_up,
        "inquiries": tables.inquiries,
        "reasons_in_person": tables.reasons,
    }


def assert_equal(built: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Every row and column, no more and no fewer."""
    assert set(built) == set(wanted)
    for name, table in wanted.items():
        missing, extra = sorted(set(table) - set(built[name])), sorted(set(built[name]) - set(table))
        assert not missing, f"{name} lacks {len(missing)} rows, such as {missing[:3]}"
        assert not extra, f"{name} has {len(extra)} rows too many, such as {extra[:3]}"
        for key, row in table.items():
            found = built[name][key]
            assert found.keys() == row.keys()
            for column, value in row.items():
                same = found[column] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)
                assert same, f"{name} {key} {column}: built {found[column]!r}, oracle {value!r}"
