"""The platform key: a first key and, after each rotation, one more link; landing applies them in their order.

The key file holds one key a line, the oldest first. ``user_key`` goes through the first (contracts.identity.pid), and
what comes out through every later one. So a rotation needs nobody's id, only what the lake holds; and whoever has an
older copy of the file cannot make today's pids.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import UsageError
from contracts.identity import pid_maker, rekeyed
from contracts.keys import KEY_BYTES, key_fingerprint, read_keys, write_secret

# What each use of a link is derived with, so that no two uses of one key can be matched.
PAYLOAD_DIGEST = "payload digest"
QUARANTINE_DIGEST = "quarantine digest"


@dataclass(frozen=True)
class PlatformKey:
    """The links in the order in which they are applied; shown by its fingerprint alone."""

    links: tuple[bytes, ...] = field(repr=False)

    def __repr__(self) -> str:
        return f"PlatformKey({self.fingerprint}, links={len(self.links)})"

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell two chains apart and give no link away."""
        first, *later = self.links
        found = key_fingerprint(first)
        for link in later:
            found = hmac.new(link, f"mizan key chain v1|{found}".encode("ascii"), hashlib.sha256).hexdigest()[:16]
        return found

    @property
    def mark(self) -> int:
        """The fingerprint as 63 bits: what the lake's log notes of the key that a table's rows are under."""
        return int(self.fingerprint, 16) >> 1

    def pid(self, user_key: str) -> bytes:
        """The 16 bytes that stand for a person in the lake."""
        return self.pid_maker()(user_key)

    def pid_maker(self) -> Callable[[str], bytes]:
        """``pid`` for many user_keys: what does not depend on them is made once."""
        first, *later = self.links
        made = pid_maker(first)
        if not later:
            return made

        def chained(user_key: str) -> bytes:
            found = made(user_key)
            for link in later:
                found = rekeyed(link, found)
            return found

        return chained

    def digest(self, purpose: str, first: bytes) -> bytes:
        """A digest that was made with the first link's subkey, taken through those of the later links."""
        for link in self.links[1:]:
            first = rekeyed(subkey(link, purpose), first)
        return first

    def first(self, count: int) -> PlatformKey:
        """The chain as it was when it had ``count`` links."""
        return PlatformKey(self.links[:count])

    def as_marked(self, mark: int) -> PlatformKey | None:
        """The beginning of the chain that has this mark; None where the mark is of another key."""
        return next((one for one in self._beginnings() if one.mark == mark), None)

    def holds(self, fingerprint: str) -> bool:
        """True where the chain, or a beginning of it, has this fingerprint."""
        return any(one.fingerprint == fingerprint for one in self._beginnings())

    def _beginnings(self) -> list[PlatformKey]:
        return [self.first(count) for count in range(len(self.links), 0, -1)]


def subkey(link: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose."""
    return hmac.digest(link, b"v1|" + purpose.encode("ascii"), hashlib.sha256)


def read_platform_key(path: Path) -> PlatformKey:
    """The chain in a key file. UsageError as ``contracts.keys.read_key``."""
    return PlatformKey(read_keys(path))


def add_link(path: Path) -> PlatformKey:
    """Put a new random link at the end of a key file, durably and in one step; the chain afterwards.

    UsageError where the file cannot be replaced: nothing changed then.
    """
    chain = PlatformKey((*read_platform_key(path).links, secrets.token_bytes(KEY_BYTES)))
    if path.is_symlink():
        raise UsageError(f"{path} is a link: a rotation would put a plain file in its place")
    write_secret(path, "\n".join(link.hex() for link in chain.links))
    return chain


def is_older_copy(older: str, newer: str) -> bool:
    """True where the text of one platform key file is a beginning of another's: the same key before a rotation."""
    return newer.startswith(older + "\n")
