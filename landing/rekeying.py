"""The platform key as a batch needs it: which links each table is under, and a later link applied in columns.

The log of ``events`` and of ``quarantine`` notes the key that the table's rows are under. A landing takes from the key
file what the handles it commits through say, so a rotation that has reached one table alone, or neither, disturbs none.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import UsageError
from contracts.platform_key import PAYLOAD_DIGEST, PlatformKey, read_platform_key, subkey
from contracts.settings import Settings
from warehouse.connection import Connection
from warehouse.lake import Snapshot
from warehouse.rewriting import KEY_MARK, key_mark

_RUNBOOK = "see docs/runbooks/lost-platform-key.md"
_BLOCK = 64  # bytes of a SHA-256 block


@dataclass(frozen=True)
class LandingKeys:
    """The key that the rows of each table are under."""

    events: PlatformKey
    quarantine: PlatformKey

    @classmethod
    def of(cls, *links: bytes) -> LandingKeys:
        """Both tables under the same links."""
        return cls(PlatformKey(links), PlatformKey(links))


def keys_for(settings: Settings, events: Snapshot, quarantine: Snapshot) -> LandingKeys:
    """The key as the two loaded tables are under it.

    UsageError where the key file is missing or open to others, or where it is not the key of this lake: under another
    one every person would be counted a second time.
    """
    # Read after the tables were loaded: a rotation writes the file before it touches them.
    chain = read_platform_key(settings.platform_key_file)
    return LandingKeys(key_of(settings, chain, events), key_of(settings, chain, quarantine))


def key_note(snapshot: Snapshot, key: PlatformKey) -> dict[str, int]:
    """What the first commit on a table notes of the key its rows are under; nothing where it is noted."""
    return {} if key_mark(snapshot) is not None else {KEY_MARK: key.mark}


def digest_links(connection: Connection, key: PlatformKey) -> list[str]:
    """Make the later links of payload digests known to a connection; their names for ``rekeyed_sql``."""
    return [give_link(connection, f"digest_{n}", subkey(link, PAYLOAD_DIGEST)) for n, link in enumerate(key.links[1:])]


def give_link(connection: Connection, name: str, link: bytes) -> str:
    """Keep a link in variables of a connection, padded as HMAC asks (RFC 2104); the name to give ``rekeyed_sql``."""
    padded = link.ljust(_BLOCK, b"\0")
    for pad, byte in (("inner", 0x36), ("outer", 0x5C)):
        given = {"key": bytes(one ^ byte for one in padded)}
        connection.execute(f"SET VARIABLE {name}_{pad} = $key", given)
    return name


def rekeyed_sql(value: str, name: str) -> str:
    """SQL of ``contracts.identity.rekeyed`` over a BLOB expression; NULL stays NULL. ``name`` is of ``give_link``."""
    inner = f"unhex(sha256(getvariable('{name}_inner')::BLOB || {value}))"
    return f"unhex(substr(sha256(getvariable('{name}_outer')::BLOB || {inner}), 1, 32))"


def key_of(settings: Settings, chain: PlatformKey, snapshot: Snapshot) -> PlatformKey:
    """The links of ``chain`` that a loaded table's rows are under. Raises as ``keys_for`` does."""
    mark = key_mark(snapshot)
    if mark is not None:
        found = chain.as_marked(mark)
        if found is None:
            where = f"{settings.platform_key_file} is not the platform key that lake/{snapshot.name} was landed with"
            raise UsageError(where, hint=_RUNBOOK)
        return found
    if len(chain.links) > 1 and snapshot.files:
        # Landed before keys were noted, and put back beside a key that was rotated since.
        raise UsageError(
            f"lake/{snapshot.name} does not say which of the {len(chain.links)} keys it is under",
            hint="put the key file of its time back; " + _RUNBOOK,
        )
    return chain
