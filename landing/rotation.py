"""Rotate the platform key: one more link, applied to every row of the lake. Nobody's id is needed.

``pid' = HMAC(new link, pid)`` in columns, file by file, and so the keyed digests of contents: who holds the old key
could otherwise try user_keys against them. Each table changes in one commit, ``quarantine`` first. Between those of
``events`` and ``person_months`` nothing can be built. Until then, and
after a run that died, landing goes on under the key that each table's log notes: there is nothing to clean up, and the
same call again goes on with the link that is in the key file.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.errors import Fenced, Halted, MizanError, TryAgain
from contracts.failpoints import failpoint
from contracts.lake_tables import lake_tables
from contracts.platform_key import PAYLOAD_DIGEST, QUARANTINE_DIGEST, PlatformKey, add_link, read_platform_key, subkey
from contracts.settings import Settings
from landing.batch_rows import RANGED
from landing.confidential import forbid_core_dumps, unspilling_connection
from landing.lost_files import FileLog
from landing.rekeying import give_link, key_of, keys_for, rekeyed_sql
from warehouse.connection import build_turn, view_files
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import DataFile, commit, commits, open_table, write_file
from warehouse.person_months import PERSONS, kept_table
from warehouse.rewriting import KEY_MARK, ROTATION, key_mark, replace_all

STEP = "rotate"
# What is keyed in each table: column to the purpose its link is derived for; None: the link itself.
_KEYED: Mapping[str, Mapping[str, str | None]] = {
    "quarantine": {"digest": QUARANTINE_DIGEST},
    "events": {"pid": None, "payload_digest": PAYLOAD_DIGEST},
    PERSONS: {"pid": None},
}
_RANGED = {"events": RANGED, "quarantine": ("agency_id",), PERSONS: ()}
# Landing commits a few times a minute; only what came since the last try has to be rewritten for the next.
_TRIES = 50


@dataclass(frozen=True)
class Rotated:
    """A rotation that the whole lake has gone through. ``rows``: of each table, those that were rewritten by this call.

    ``resumed``: the link had been made by a run that did not come to its end.
    """

    fingerprint: str
    links: int
    rows: Mapping[str, int]
    resumed: bool
    lake_version: int


def rotate(settings: Settings, *, by: str, reason: str) -> Rotated:
    """Add a link to the platform key, or go on with one that a run which died has added, and take the lake through it.

    The figures are built on the rows as they were: whoever calls this builds anew, and then calls ``note``. Raises
    UsageError where the key is not the lake's, Halted where a file of the lake is damaged, TryAgain where landings
    leave no moment for the commit.
    """
    forbid_core_dumps()
    lake = Lake(settings)
    with build_turn(settings):  # of two rotations at once one adds the link
        quarantine, events = _noted(settings, lake)
        keys = keys_for(settings, events, quarantine)
        chain = read_platform_key(settings.platform_key_file)
        resumed = not keys.events == keys.quarantine == chain or is_unfinished(lake, chain)
        if not resumed:
            chain = add_link(settings.platform_key_file)
    failpoint("rotate.link")
    tables = [name for name in _KEYED if name != PERSONS or kept_table(lake, PERSONS) is not None]
    rows = {name: _rewrite(settings, lake, name, chain, {"by": by, "reason": reason}) for name in tables}
    return Rotated(chain.fingerprint, len(chain.links), rows, resumed, lake.open("events").version)


def is_unfinished(lake: Lake, chain: PlatformKey) -> bool:
    """True where the lake has gone through the last link and nobody noted that the rotation is done."""
    if len(chain.links) == 1 or not any(one.kind == ROTATION for one in commits(lake, "events")):
        return False
    done = {row["subject"] for row in lake.open("outcomes").rows().to_pylist() if row["step"] == STEP}
    return chain.fingerprint not in done


def note(lake: Lake, rotated: Rotated, seconds: float) -> None:
    """Note that a rotation is done; twice does no harm."""
    count = sum(rotated.rows.values())
    outcome = {"step": STEP, "subject": rotated.fingerprint, "rows_in": count, "rows_out": count, "rows_aside": 0}
    lake.append(
        "outcomes", [{**outcome, "completed_at": dt.datetime.now(dt.UTC), "seconds": seconds, "result": "done"}]
    )


def _noted(settings: Settings, lake: Lake) -> tuple[Snapshot, Snapshot]:
    """Both tables, each noting the key its rows are under: before the key file holds another."""
    for name in ("quarantine", "events"):
        snapshot = open_table(lake, name)
        if key_mark(snapshot) is None:
            keys = keys_for(settings, *(open_table(lake, one) for one in ("events", "quarantine")))
            key = keys.events if name == "events" else keys.quarantine
            commit(snapshot, [], {KEY_MARK: key.mark}, {"kind": "key", "batch_id": ""})
    return open_table(lake, "quarantine"), open_table(lake, "events")


def _rewrite(settings: Settings, lake: Lake, name: str, chain: PlatformKey, said: Mapping[str, str]) -> int:
    """Take one table through the links it is not under yet; how many rows that were."""
    written: dict[str, DataFile] = {}
    for _ in range(_TRIES):
        snapshot = open_table(lake, name)
        quarantine, events = (snapshot if one == name else open_table(lake, one) for one in ("quarantine", "events"))
        keys = keys_for(settings, events, quarantine)
        before = {"events": keys.events, "quarantine": keys.quarantine}.get(name) or key_of(settings, chain, snapshot)
        if before == chain:
            return 0
        log = FileLog(snapshot, list(commits(lake, name)), {})
        for path in log.live:
            if path not in written:
                # A damaged file would get a checksum that says it is whole.
                if path in log.noted and not log.is_whole(path):
                    where = f"{name}/{path} is not as it was committed"
                    raise Halted("LAKE_FILE_MISSING", where, hint="mizan verify --refetch, then the same command again")
                written[path] = _rekeyed(log, path, before, chain)
                failpoint("rotate.file")
        files = {path: written[path] for path in log.live}
        said = {**said, "rotated_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
        document = {**said, "kind": ROTATION, "links": len(chain.links)}
        failpoint(f"rotate.{name}.pre_commit")
        try:
            replace_all(snapshot, files, {KEY_MARK: chain.mark}, document, next(iter(_KEYED[name])))
        except Fenced:
            continue
        failpoint(f"rotate.{name}.post_commit")
        return sum(file.rows for file in files.values())
    raise TryAgain(f"lake/{name} changes too often", hint="run the same command when landing rests")


def _rekeyed(log: FileLog, path: str, before: PlatformKey, after: PlatformKey) -> DataFile:
    """One file's rows under ``after``, beside it. MizanError where any value is still what it was."""
    snapshot, keyed = log.snapshot, _KEYED[log.snapshot.name]
    columns = dict(lake_tables()[snapshot.name])
    with unspilling_connection() as connection:
        connection.execute("SET preserve_insertion_order = true")  # a merged file lies in the order of its queries
        view_files(connection, "old_rows", [log.snapshot.folder.address(path)], columns)
        given = {column: f'"{column}"' for column in keyed}
        for number, link in enumerate(after.links[len(before.links) :]):
            for column, purpose in keyed.items():
                name = give_link(connection, f"{column}_{number}", link if purpose is None else subkey(link, purpose))
                given[column] = rekeyed_sql(given[column], name)
        listed = ", ".join(f'{given.get(column, chr(34) + column + chr(34))} AS "{column}"' for column in columns)
        stem = re.sub(r"-key\d+-[0-9a-f]{8}$", "", path.removesuffix(".parquet"))
        new = f"{stem}-key{len(after.links)}-{secrets.token_hex(4)}.parquet"
        file = write_file(connection, f"SELECT {listed} FROM old_rows", snapshot, new, _RANGED[snapshot.name])  # noqa: S608 our own names
        if file is None:
            raise MizanError(f"{snapshot.name}/{path} has no rows; nothing was changed")
        view_files(connection, "new_rows", [log.snapshot.folder.address(new)], columns)
        for column in keyed:
            same = f'SELECT count(*), count("{column}"), count(DISTINCT "{column}") FROM'
            ((old,), (now,)) = (connection.sql(f"{same} {rows}").fetchall() for rows in ("old_rows", "new_rows"))
            ((left,),) = connection.sql(
                f'SELECT count(*) FROM new_rows SEMI JOIN old_rows USING ("{column}")'  # noqa: S608 our own names
            ).fetchall()
            if old != now or left:
                raise MizanError(
                    f"{snapshot.name}/{path}: {old} rows, values and different values of {column} became {now}, "
                    f"{left} are as they were; nothing was changed"
                )
    return file
