"""Who may send through the gateway: tokens and client certificates, each of one agency or of one system of it.

A token is 32 random bytes, shown once. What is kept is its HMAC-SHA256 under a key of the gateway's own: at this
length nothing is gained by a slow hash, and the file alone opens nothing. A certificate is known by its common name,
which is the agency's Kafka user (``agency-tax``, ``agency-tax.portal``), and lets in only where it is listed here too.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

from contracts.errors import UsageError
from contracts.keys import KEY_BYTES, keep_secret, read_key, read_secret, secret_folder, write_secret
from contracts.settings import Settings, agency_id

PREFIX = "mzt"
LOOK_SECONDS = 1.0  # a revoked login is out after this long at the latest
_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")
_log = logging.getLogger("mizan.gateway")


@dataclass(frozen=True)
class Login:
    """One way in. ``name`` is a token's id or a certificate's common name; ``digest`` is None for a certificate."""

    name: str
    agency_id: str
    system: str | None
    made: str
    digest: str | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        """``token`` or ``certificate``."""
        return "certificate" if self.digest is None else "token"


def add_token(settings: Settings, agency: str, system: str | None = None) -> tuple[Login, str]:
    """A new token of an agency, or of one system of it, and its text, which is kept nowhere."""
    identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(KEY_BYTES)
    login = Login(identifier, agency_id(agency), _system(system), _now(), _digest(_key(settings), secret))
    with _changing(settings) as logins:
        logins[login.name] = login
    return login, f"{PREFIX}_{identifier}_{secret}"


def allow_certificate(settings: Settings, agency: str, system: str | None = None) -> Login:
    """Let in whoever shows a client certificate of the agency's (or its system's) common name. Safe to repeat."""
    _key(settings)
    name = f"agency-{agency_id(agency)}" + (f".{_system(system)}" if system else "")
    with _changing(settings) as logins:
        return logins.setdefault(name, Login(name, agency, system, _now()))


def revoke(settings: Settings, agency: str, system: str | None = None, name: str | None = None) -> list[str]:
    """Take logins away: of one system, or of the agency with all its systems, or only the one of ``name``; their names.

    No such login is none taken away: the list is empty. Raises UsageError for what is no id of an agency or a system.
    """
    agency, system = agency_id(agency), _system(system)
    if not _file(settings).exists():
        return []
    with _changing(settings) as logins:
        gone = [
            login.name
            for login in logins.values()
            if login.agency_id == agency and system in (None, login.system) and name in (None, login.name)
        ]
        for one in gone:
            del logins[one]
    return gone


def list_logins(settings: Settings) -> list[Login]:
    """Every login, by agency, system and day."""
    return sorted(_read(_file(settings)).values(), key=lambda one: (one.agency_id, one.system or "", one.made))


class Logins:
    """The logins as the gateway asks for them. A changed file is noticed; one that cannot be trusted lets nobody in."""

    def __init__(self, settings: Settings) -> None:
        self._file = _file(settings)
        self._key = _key(settings)
        self._seen: tuple[int, ...] | None = None
        self._looked = -LOOK_SECONDS
        self._known: Mapping[str, Login] = MappingProxyType({})

    def of_token(self, text: str) -> Login | None:
        """Whose token this is; None for any other text."""
        parts = _TOKEN.fullmatch(text)
        login = self._current().get(parts[1]) if parts else None
        if parts is None or login is None or login.digest is None:
            return None
        return login if hmac.compare_digest(login.digest, _digest(self._key, parts[2])) else None

    def of_certificate(self, common_name: str) -> Login | None:
        """Whom a certificate lets in whose chain and possession TLS has proved; None where it is not listed."""
        login = self._current().get(common_name)
        return login if login is not None and login.digest is None else None

    def _current(self) -> Mapping[str, Login]:
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            try:
                status = self._file.stat()
                seen = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
                if seen != self._seen:
                    self._known, self._seen = _read(self._file), seen
            except (UsageError, OSError) as error:
                self._known, self._seen = {}, None
                _log.error("nobody is let in: %s", error)
        return self._known


def _digest(key: bytes, secret: str) -> str:
    return hmac.new(key, secret.encode("ascii"), hashlib.sha256).hexdigest()


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _system(text: str | None) -> str | None:
    return None if text is None else agency_id(text)


def _file(settings: Settings) -> Path:
    return settings.keys / "gateway-logins.json"


def _key_file(settings: Settings) -> Path:
    return settings.keys / "gateway.key"


def _key(settings: Settings) -> bytes:
    keep_secret(_key_file(settings), lambda: secrets.token_hex(KEY_BYTES))
    return read_key(_key_file(settings))


def _read(path: Path) -> dict[str, Login]:
    try:
        if not path.exists():
            return {}
        return {entry["name"]: Login(**entry) for entry in json.loads(read_secret(path))}
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} does not list the gateway's logins: {type(error).__name__}") from error


@contextmanager
def _changing(settings: Settings) -> Iterator[dict[str, Login]]:
    """The logins, written back whole at the end of the block; one caller at a time."""
    path = _file(settings)
    with (secret_folder(path.parent) / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        logins = _read(path)
        yield logins
        write_secret(path, json.dumps([asdict(login) for login in logins.values()], indent=1))
