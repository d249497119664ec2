"""Secrets in files: how they are made, written and read.

A key is 32 random bytes, kept as 64 hexadecimal digits in a file of mode 0600 inside a folder of mode
0700. The *transport key* is shared by the agencies of one counting domain and turns a person's id into a
``user_key``; the *platform key* is landing's alone and turns a ``user_key`` into a ``pid``: it has a line
more after each rotation (contracts.platform_key). Passwords for Kafka are written by the same two functions.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from contracts.durable import sync
from contracts.errors import MizanError, UsageError
from contracts.settings import Settings

KEY_BYTES = 32
FIRST_KEY_ID = "t1"


def create_keys(settings: Settings) -> list[Path]:
    """Make the transport key, its id and the platform key where they are missing; return what was made.

    Safe to repeat: a file that is there is never touched. A key file that the configuration names
    outright is the operator's own and is not made here: UsageError where it is missing, because a
    fresh key in its place would count every person a second time.
    """
    made = []
    for variable, path in (
        ("MIZAN_TRANSPORT_KEY_FILE", settings.transport_key_file),
        ("MIZAN_PLATFORM_KEY_FILE", settings.platform_key_file),
    ):
        if settings.values[variable] is not None and not path.exists():
            raise UsageError(f"{variable} names a file that is not there: {path}")
        if keep_secret(path, lambda: secrets.token_hex(KEY_BYTES)):
            made.append(path)
        (read_keys if path == settings.platform_key_file else read_key)(path)
    # The id is no secret, but it belongs to its key: same folder, same life.
    if settings.values["MIZAN_TRANSPORT_KEY_FILE"] is None and keep_secret(
        _key_id_file(settings), lambda: FIRST_KEY_ID
    ):
        made.append(_key_id_file(settings))
    return made


def read_key(path: Path) -> bytes:
    """The 32 bytes of a key file.

    Raises UsageError where the file is missing, a link, readable by anyone but its owner, owned by
    somebody else, or does not hold exactly 64 hexadecimal digits. The message never quotes the content.
    """
    return _key_of_text(path, read_secret(path))


def read_keys(path: Path) -> tuple[bytes, ...]:
    """The keys of a file that holds one a line, the oldest first; at least one. UsageError as ``read_key``."""
    return tuple(_key_of_text(path, line) for line in read_secret(path).split("\n"))


def _key_of_text(path: Path, text: str) -> bytes:
    """The 32 bytes that ``text`` of the file ``path`` stands for; UsageError, without the text, where it is no key."""
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise UsageError(f"{path} does not hold a key: {2 * KEY_BYTES} hexadecimal digits are expected") from error
    if len(key) != KEY_BYTES:
        raise UsageError(f"{path} holds {len(key)} bytes; a key has {KEY_BYTES}")
    return key


def current_key_id(settings: Settings) -> str:
    """The id of the domain's current transport key; ``t1`` where none was written."""
    try:
        return _key_id_file(settings).read_text(encoding="ascii").strip() or FIRST_KEY_ID
    except FileNotFoundError:
        return FIRST_KEY_ID
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {_key_id_file(settings)}: {error}") from error


def transport_key_of(settings: Settings, key_id: str) -> Path:
    """Where a transport key lies under its own id: one that was replaced, or is about to be put in its place."""
    key = settings.transport_key_file
    return key.with_name(f"{key.name}.{key_id}")


def put_transport_key(settings: Settings, text: str, key_id: str) -> None:
    """Make ``text`` the domain's transport key, and ``key_id`` its id."""
    write_secret(settings.transport_key_file, text)
    write_secret(_key_id_file(settings), key_id)


def key_fingerprint(key: bytes) -> str:
    """What a backup may say of a key: 16 hexadecimal digits that tell two keys apart and give neither away."""
    return hmac.new(key, b"mizan key fingerprint v1", hashlib.sha256).hexdigest()[:16]


def read_secret(path: Path) -> str:
    """The text of a secret file without outer spaces; UsageError unless it is the caller's own, mode 0600 or less."""
    try:
        # O_NOFOLLOW, and checks on the open file: a link swapped in between would pass a check by name.
        # O_NONBLOCK: a pipe in a file's place would be waited for, for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise UsageError(f"secret file not found: {path}", hint="mizan init makes the platform's keys") from error
    except OSError as error:
        raise UsageError(f"cannot read the secret file {path}: {error.strerror}") from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is not a plain file")
        if found.st_uid != os.geteuid():
            raise UsageError(f"{path} belongs to user {found.st_uid}, not to the one running this")
        if found.st_mode & 0o077:
            raise UsageError(
                f"{path} can be read by others (mode {found.st_mode & 0o777:04o})", hint=f"chmod 600 {path}"
            )
        try:
            return file.read().strip()
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} does not hold text") from error


def write_secret(path: Path, text: str) -> None:
    """Put ``text`` and a line end into ``path``, mode 0600, replacing in one step what was there."""
    draft = _draft(path, text)
    try:
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync(path.parent)


def keep_secret(path: Path, make: Callable[[], str]) -> bool:
    """Write ``make()`` to ``path`` unless a file is there; True when it was written.

    Of two callers at the same time one wins and both then read the same secret.
    """
    if path.exists():
        return False
    draft = _draft(path, make())
    try:
        # A hard link fails where the name exists; a rename would silently replace the winner's secret.
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent)
    return True


def secret_folder(path: Path) -> Path:
    """Make ``path``, mode 0700 where it is new, and return it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from error
    return path


def _draft(path: Path, text: str) -> Path:
    folder = secret_folder(path.parent)
    draft = folder / f".{path.name}.{secrets.token_hex(6)}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MizanError(f"cannot write in {folder}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        # A key lost to a power cut after its first use could never be made again.
        os.fsync(descriptor)
    return draft


def _key_id_file(settings: Settings) -> Path:
    key = settings.transport_key_file
    return key.with_name(key.name + ".id")
