"""Where published figures are copied to: a PostgreSQL, named by a libpq URL, in no log and on no command line.

The URL stands in MIZAN_POSTGRES_URL, without a password (libpq finds one in its own PGPASSFILE), or whole in the file
that MIZAN_POSTGRES_URL_FILE names, which only its owner may read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from contracts.errors import UsageError

URL, URL_FILE, TIER = "MIZAN_POSTGRES_URL", "MIZAN_POSTGRES_URL_FILE", "MIZAN_POSTGRES_TIER"


def url_without_secret(text: str) -> str:
    """``text`` if it is a libpq URL that holds no password. It is never quoted: what is refused may hold one."""
    _check_form(text, URL)
    if urlsplit(text).password is not None or "password" in parse_qs(urlsplit(text).query, keep_blank_values=True):
        raise UsageError(
            f"{URL} must hold no password", hint=f"put the whole URL in a file (0600) and name it in {URL_FILE}"
        )
    return text


def target_url(values: Mapping[str, str | None]) -> str | None:
    """The URL to connect with, of settings by their names; None where there is none.

    Raises UsageError where both are set, or the file cannot be read, holds no such URL, or is open to others.
    """
    url, file = values[URL], values[URL_FILE]
    if url and file:
        raise UsageError(f"both {URL} and {URL_FILE} are set", hint="keep one of them")
    return _read(Path(file)) if file else url


def shown(url: str) -> str:
    """The same URL without its password, for people."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    kept = "&".join(one for one in parts.query.split("&") if not one.startswith(("password=", "sslpassword=")))
    return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{parts.path}{'?' if kept else ''}{kept}"


def _read(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"others can read or write {path}", hint=f"chmod 600 {path}")
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} does not hold text") from error
    _check_form(text, str(path))
    return text


def _check_form(text: str, where: str) -> None:
    try:
        good = urlsplit(text).scheme in ("postgresql", "postgres") and "://" in text and not set(text) & set(" \n\t\0")
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"{where} does not hold a libpq URL", hint="such as postgresql://user@host:5432/database")
