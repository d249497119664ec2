"""The search for planted ids bites: whatever an id is hidden in and however it is spelled, it is found."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import gzip
import hashlib
import hmac
import json
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.event import Record, Rejection, excerpt, parse
from faults.canaries import PERSIAN, Needles, national_id, personal, records, sweep, unkeyed
from faults.schedule import Stream, wire

NID, MAIL, KEY = "0499370899", "canary-000000000007@planted.example", hashlib.sha256(b"a person").digest()
SECRET = "a pass/word of the home"
NEEDLES = Needles({NID, MAIL}, {KEY}, unkeyed([NID], ["tax"]), {SECRET: "the password"})


def table(**columns: list[object]) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def in_parquet(folder: Path, **columns: list[object]) -> None:
    pq.write_table(table(**columns), folder / "rows.parquet", compression="zstd")


def in_duckdb(folder: Path, value: str, kind: str) -> None:
    with duckdb.connect(str(folder / "build.duckdb")) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT i, 'x' || i AS other, {value}::{kind} AS v FROM range(3000) r(i)")


def in_wal(folder: Path, sql: str) -> None:
    """Written and not yet in the file's own pages: the process that wrote it is gone."""
    script = f"""
import duckdb, os
connection = duckdb.connect({str(folder / "build.duckdb")!r})
connection.execute("PRAGMA disable_checkpoint_on_shutdown")
connection.execute("CREATE TABLE t (v BLOB)")
connection.execute({sql!r})
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (folder / "build.duckdb.wal").stat().st_size


def in_sqlite(folder: Path, value: object) -> None:
    with contextlib.closing(sqlite3.connect(folder / "airflow.db")) as connection:
        connection.execute("CREATE TABLE xcom (key, value)")
        connection.execute("INSERT INTO xcom VALUES ('padding', zeroblob(9000)), ('x', ?)", (value,))
        connection.commit()


def in_gzip(folder: Path) -> None:
    with gzip.open(folder / "log.gz", "wb") as file:
        file.write(b"refused " + NID.encode())


PLANTS = {
    "a line of a log": lambda folder: (folder / "log").write_text(f"refused {NID}\n"),
    "dashes": lambda folder: (folder / "log").write_text("049-937089-9"),
    "Persian digits": lambda folder: (folder / "log").write_text(NID.translate(PERSIAN)),
    "escapes": lambda folder: (folder / "a.json").write_text(json.dumps({"x": NID.translate(PERSIAN)})),
    "an address": lambda folder: (folder / "log").write_text("GET /?mail=canary-000000000007%40planted.example"),
    "a file's name": lambda folder: (folder / f"person={NID}").mkdir(),
    "base64": lambda folder: (folder / "x").write_text("MDQ5OTM3MDg5OQ=="),
    "reversed": lambda folder: (folder / "x").write_text(NID[::-1]),
    "a compressed log": in_gzip,
    "a text of a Parquet file": lambda folder: in_parquet(folder, detail=["fine", f"service {NID}"]),
    "a key as text of a Parquet file": lambda folder: in_parquet(folder, pid=[KEY.hex()]),
    "a key as bytes of a Parquet file": lambda folder: in_parquet(folder, pid=[KEY, b"\0" * 32]),
    "a list of a Parquet file": lambda folder: in_parquet(folder, detail=[["x", MAIL]]),
    "a text of a database": lambda folder: in_duckdb(folder, f"'{NID}'", "VARCHAR"),
    "a blob of a database": lambda folder: in_duckdb(folder, f"from_hex('{KEY.hex()}')", "BLOB"),
    "a blob of a database's log": lambda folder: in_wal(folder, f"INSERT INTO t VALUES (from_hex('{KEY.hex()}'))"),
    "a half of a key": lambda folder: in_parquet(folder, pid=[KEY[:16]]),
    "a key deep in a list of records": lambda folder: in_parquet(folder, x=[[{"of": [KEY[:16], b""]}]]),
    "a text of Airflow's database": lambda folder: in_sqlite(folder, json.dumps({"x": NID.translate(PERSIAN)})),
    "a number of Airflow's database": lambda folder: in_sqlite(folder, int(NID)),
    "the references of a page": lambda folder: (folder / "index.html").write_text("".join(f"&#{ord(d)};" for d in NID)),
    "md5": lambda folder: (folder / "x").write_text(hashlib.md5(NID.encode()).hexdigest()),
    "half of a sha256 in a column": lambda folder: in_parquet(
        folder, pid=[hashlib.sha256(f"nid:{NID}".encode()).digest()[:16]]
    ),
    "sha1 salted with the agency": lambda folder: in_duckdb(folder, f"sha1('tax|{NID}')", "VARCHAR"),
    "an HMAC under the agency's name": lambda folder: in_parquet(
        folder, key=[hmac.digest(b"tax", NID.encode(), "sha256").hex()]
    ),
    "a secret": lambda folder: (folder / "log").write_text(f"login with {SECRET}"),
    "a secret as JSON": lambda folder: (folder / "log").write_text(json.dumps({"password": SECRET})),
    "a secret in base64": lambda folder: (folder / "x").write_text(base64.b64encode(SECRET.encode()).decode()),
    "a key in a longer run of hex digits": lambda folder: (folder / "x").write_text(f"00{KEY.hex().upper()}ab"),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_an_id_that_is_planted_is_found(plant, tmp_path: Path):
    assert sweep(tmp_path, NEEDLES) == []
    plant(tmp_path)
    (found,) = {one.invariant for one in sweep(tmp_path, NEEDLES)}
    assert found == "I8"


def test_an_id_in_a_column_of_numbers_is_found(tmp_path: Path):
    in_parquet(tmp_path, detail=[1, 4993708990])
    assert sweep(tmp_path, Needles({"4993708990"}))


def test_beside_a_column_that_a_fault_made_unreadable_the_others_are_searched(tmp_path: Path):
    in_parquet(tmp_path, damaged=[f"{n:0100d}" for n in range(50)], detail=["x"] * 49 + [NID])
    path = next(tmp_path.glob("*"))
    raw = bytearray(path.read_bytes())
    raw[4:60] = b"\xff" * 56  # the first column's page begins behind the magic number
    path.write_bytes(raw)
    with pytest.raises(OSError):  # noqa: PT011 which of pyarrow's errors it is depends on the byte
        pq.read_table(path)
    assert sweep(tmp_path, NEEDLES)


def test_what_a_command_printed_is_searched_too(tmp_path: Path):
    assert sweep(tmp_path, NEEDLES, heard=["landed 3", f"bad value {MAIL}"])


def test_digits_amid_other_digits_and_other_keys_are_not_taken_for_a_planted_one(tmp_path: Path):
    (tmp_path / "log").write_text(f"17{NID}33 {hashlib.sha256(b'another').hexdigest()}")
    assert sweep(tmp_path, NEEDLES) == []


def test_a_file_that_may_hold_ids_is_spared_by_its_name(tmp_path: Path):
    (tmp_path / "log").write_text(NID)
    assert sweep(tmp_path, NEEDLES, spared=lambda name: name == "log") == []


def test_no_parser_takes_a_record_with_a_planted_id_and_no_reason_quotes_it():
    rng, now = random.Random(5), dt.datetime.now(dt.UTC)
    stream = Stream(rng, "tax")
    for one in [personal(rng) for _ in range(20)]:
        for value in records(json.loads(wire(stream.event())), one):
            said = parse(Record(value, "tax"), now)
            assert isinstance(said, Rejection), value
            assert not Needles({one}).in_bytes(f"{said} {excerpt(value)}".encode()), value


def test_the_ids_have_right_check_digits():
    from contracts.identity import is_national_id

    rng = random.Random(1)
    assert all(is_national_id(national_id(rng)) for _ in range(500))
