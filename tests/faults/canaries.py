"""Personal ids planted in what agencies say, and the search for them in everything that a home holds (I8).

The ids are new in every run and their check digits are right. Agencies put them where no id belongs, in the spellings
that people use; they also say person keys, which the lake replaces before it writes. Neither may come to lie anywhere
below the home: not in a file's bytes or name, not in what a Parquet or DuckDB file holds behind its compression, not
in what a command printed. Imports nothing of the product.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
import urllib.parse
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faults.registry import Violation

PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
MOST = 12  # planted ids of one kind and run: each is looked for in a dozen spellings
HEX = re.compile(rb"[0-9a-fA-F]{64,}")
DIGITS = b"0123456789"


def national_id(rng: random.Random) -> str:
    """Ten digits with the check digit of the definition: weights 10 to 2, the rest of 11."""
    first = f"{rng.randrange(10**8, 10**9)}"
    rest = sum(int(digit) * weight for digit, weight in zip(first, range(10, 1, -1), strict=True)) % 11
    return f"{first}{rest if rest < 2 else 11 - rest}"


def personal(rng: random.Random) -> str:
    """A national id, a mobile number or an e-mail address that nobody has."""
    kind = rng.randrange(4)
    if kind == 2:
        return f"0912{rng.randrange(10**7):07d}"
    return f"canary-{rng.randrange(10**12):012d}@planted.example" if kind == 3 else national_id(rng)


def spelled(rng: random.Random, one: str) -> str:
    """The id as somebody may write it."""
    if len(one) == 10:
        return rng.choice((one, f"{one[:3]}-{one[3:9]}-{one[9]}", one.translate(PERSIAN), f" {one} "))
    return one


def record(rng: random.Random, good: dict[str, Any], one: str) -> bytes:
    """A good event's document with the id in a place where none belongs: no parser may take it."""
    document, said = json.loads(json.dumps(good)), spelled(rng, one)
    field = rng.choice(("user_key", "transaction_id", "visit_id", "service_id", "channel", "national_id"))
    place = rng.randrange(10)
    if place < 5:
        document["data"][field] = said
    elif place == 5:
        document["data"][one] = True  # a member named by it
    elif place == 6:
        document[rng.choice(("source", "type", "time", "subject"))] = said
    elif place == 7:
        document["data"]["user_key"] = {"of": [said]}
    elif place == 8:
        return json.dumps(document).encode()[:-2] + b', "person": "' + said.encode() + b'"'  # it does not end
    else:
        return f"{said};{document['id']};portal".encode()
    return json.dumps(document, ensure_ascii=rng.random() < 0.5).encode()


def _forms(one: str) -> set[bytes]:
    plain = one.encode()
    forms = {
        plain, plain[::-1], base64.b64encode(plain), base64.urlsafe_b64encode(plain), plain.hex().encode(),
        plain.hex().upper().encode(), urllib.parse.quote(one, safe="").encode(), one.translate(PERSIAN).encode(),
        urllib.parse.quote(one.translate(PERSIAN)).encode(), json.dumps(one.translate(PERSIAN))[1:-1].encode(),
    }  # fmt: skip
    if len(one) == 10:
        forms.add(f"{one[:3]}-{one[3:9]}-{one[9]}".encode())
    return forms


class Needles:
    """What is looked for: ids in all their spellings, keys (32 bytes or their hex) in hex, in base64 and as bytes."""

    def __init__(self, ids: Collection[str], keys: Collection[bytes] = ()) -> None:
        self._literals = {form: one for one in ids for form in _forms(one)}
        self._hex = {key.hex().encode(): key.hex()[:12] for key in keys}
        for key in sorted(keys)[: 2 * MOST]:
            self._literals |= {key: f"key {key.hex()[:12]}", base64.b64encode(key)[:42]: f"key {key.hex()[:12]}"}

    def in_bytes(self, data: bytes) -> set[str]:
        """The names of what the bytes hold. Digits amid other digits are another number."""
        found = set()
        for form, one in self._literals.items():
            place = data.find(form)
            while place >= 0:
                beside = data[max(place - 1, 0) : place] + data[place + len(form) : place + len(form) + 1]
                if not (form.isdigit() and any(byte in DIGITS for byte in beside)):
                    found.add(one)
                    break
                place = data.find(form, place + 1)
        for run in HEX.findall(data):
            lower = run.lower()
            found |= {
                f"key {self._hex[lower[at : at + 64]]}"
                for at in range(len(lower) - 63)
                if lower[at : at + 64] in self._hex
            }
        return found


def sweep(folder: Path, needles: Needles, heard: Iterable[str] = ()) -> list[Violation]:
    """I8 of every file below a folder, and of what commands printed; what is found is named, but not quoted whole."""
    found: dict[str, set[str]] = {}
    seen: set[int] = set()
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found.setdefault(name, set()).update(needles.in_bytes(name.encode()))
        if path.is_symlink() or not path.is_file() or (inode := path.stat().st_ino) in seen:
            continue
        seen.add(inode)
        for data in _contents(path):
            found[name] |= needles.in_bytes(data)
    found["what was printed"] = needles.in_bytes("\n".join(heard).encode())
    return [
        Violation("I8", f"{name} holds {len(hits)} planted ids, such as {min(hits)[:16]}…")
        for name, hits in found.items()
        if hits
    ][:10]


def _contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and the values behind its compression or its escapes."""
    raw = path.read_bytes()
    yield raw
    if raw[:4] == b"PAR1" and raw[-4:] == b"PAR1":
        yield _values(pq.read_table(path))
    elif raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield archive.read(name)
    elif raw[8:12] == b"DUCK":
        yield from _tables(path)
    elif path.suffix == ".json":
        yield re.sub(rb"\\u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)).encode("utf-8", "replace"), raw)


def _tables(path: Path) -> Iterator[bytes]:
    with duckdb.connect(str(path), read_only=True) as connection:
        named = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
        ).fetchall()
        for schema, table in named:
            yield _values(connection.sql(f'FROM "{schema}"."{table}"').to_arrow_table())


def _values(table: pa.Table) -> bytes:
    """Every distinct text, number and blob of a table, a line each."""
    parts: list[bytes] = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_nested(kind):
            parts.append(repr(column.to_pylist()).encode())
            continue
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            column = pc.cast(column, pa.string())
        elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_blob(kind)):
            continue
        values = (value for value in column.unique().to_pylist() if value is not None)
        parts += [value.encode() if isinstance(value, str) else value for value in values]
    return b"\n".join(parts)


def _is_blob(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
