"""A published version of a few rows, written by hand, and a claim file on the spot."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from provenance import check
from provenance.claim_files import ClaimFile, read
from provenance.figures import PublishedTables
from warehouse.connection import Connection, memory_connection

LABEL = {"fa": "گفته", "en": "said"}


@pytest.fixture
def published() -> Iterator[Connection]:
    connection = memory_connection(threads=1)
    connection.execute("CREATE SCHEMA marts")
    yield connection
    connection.close()


@pytest.fixture
def put(published: Connection) -> Callable[..., None]:
    """Add a row to a table, which the first row makes: dates, texts and numbers by their Python type."""
    made: set[str] = set()
    kinds = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", dt.date: "DATE"}

    def add(table: str, **row: Any) -> None:
        if table not in made:
            columns = ", ".join(f'"{name}" {kinds.get(type(value), "BIGINT")}' for name, value in row.items())
            published.execute(f'CREATE TABLE marts."{table}" ({columns})')
            made.add(table)
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join(f"${name}" for name in row)
        published.execute(f'INSERT INTO marts."{table}" ({names}) VALUES ({marks})', row)

    return add


@pytest.fixture
def claims(tmp_path: Path) -> Callable[..., ClaimFile]:
    """A claim file of the given claims; what every claim must have is filled in."""

    def write(*entries: dict[str, Any]) -> ClaimFile:
        path = tmp_path / "claims.yaml"
        filled = [{"says": LABEL, "kind": "value", "expect": "confirmed"} | entry for entry in entries]
        document = {"source": {"id": "000", "title": LABEL, "period": "1399"}, "claims": filled}
        path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        return read(path)

    return write


@pytest.fixture
def checked(published: Connection, claims: Callable[..., ClaimFile]) -> Callable[..., check.Outcome]:
    """The outcome of the last of the given claims."""

    def run(*entries: dict[str, Any], scale: float = 1.0) -> check.Outcome:
        return check.check(claims(*entries), PublishedTables(published, scale))[-1]

    return run
