"""Rows kept in files while a build lasts: all of them once, what belongs together in one portion, nothing left over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from contracts.settings import Settings
from warehouse import portions
from warehouse.connection import Connection, memory_connection

ROWS = "SELECT i AS number, CASE WHEN i % 7 > 0 THEN 'p' || i % 100 END AS person FROM RANGE(1000) AS r (i)"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "build").mkdir()
    return Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path)


@pytest.fixture
def connection() -> Connection:
    return memory_connection(threads=2)


def test_every_row_is_in_one_portion_and_rows_of_one_person_are_together(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "ROWS_OF_A_PORTION", 100)
    with portions.portions(settings) as kept:
        found = [connection.execute(rows).fetchall() for rows in kept.of(connection, ROWS, "person", 1000)]
    assert len(found) > 5
    assert sorted(row for rows in found for row in rows) == connection.execute(f"{ROWS} ORDER BY number").fetchall()
    homes = Counter(person for rows in found for person in {person for _, person in rows})
    assert set(homes.values()) == {1}


def test_of_no_rows_there_is_no_portion(settings: Settings, connection: Connection) -> None:
    with portions.portions(settings) as kept:
        assert [*kept.of(connection, f"{ROWS} WHERE i < 0", "person", 9_000_000)] == []


def test_kept_rows_are_read_as_often_as_asked_and_keep_their_types(settings: Settings, connection: Connection) -> None:
    select = "SELECT *, TIMESTAMPTZ '2024-03-20 20:30:00+00' AS at, number::INTEGER AS no, NULL::BIGINT AS none"
    with portions.portions(settings) as kept:
        kept.keep(connection, "kept_rows", f"{select} FROM ({ROWS})")
        described = connection.execute("DESCRIBE kept_rows").fetchall()
        assert described == connection.execute(f"DESCRIBE {select} FROM ({ROWS})").fetchall()
        for _ in range(2):
            assert connection.execute("SELECT count(*), sum(number) FROM kept_rows").fetchall() == [(1000, 499_500)]


@pytest.mark.parametrize("rows", [0, 1000])
def test_nothing_is_left_of_it_not_even_of_a_build_that_was_killed(
    settings: Settings, connection: Connection, rows: int
) -> None:
    left = settings.home / "build" / "portions"
    (left / "chg_added").mkdir(parents=True)
    (left / "chg_added" / "data_0.parquet").write_bytes(b"half a fi")
    with portions.portions(settings) as kept:
        assert not left.exists()
        kept.keep(connection, "chg_added", f"{ROWS} LIMIT {rows}")
        assert connection.execute("SELECT count(*) FROM chg_added").fetchall() == [(rows,)]
        next(kept.of(connection, ROWS, "person", 1000), None)  # and the build ends here
    assert not left.exists()
