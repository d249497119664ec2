"""A real PostgreSQL for tests: Debian's server, on a loopback port, in a folder of its own, ended by its process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

NOBODY = 65534  # the server refuses to run as root
PASSWORDS = {"postgres": "p-admin", "mizan_publisher": "p-publisher", "sara": "p-sara", "press": "p-press"}
ROLES = """
CREATE ROLE mizan_analyst NOLOGIN; CREATE ROLE mizan_public NOLOGIN;
CREATE ROLE mizan_publisher LOGIN PASSWORD 'p-publisher';
CREATE ROLE sara LOGIN PASSWORD 'p-sara' IN ROLE mizan_analyst;
CREATE ROLE press LOGIN PASSWORD 'p-press' IN ROLE mizan_public;
"""


def binaries() -> Path | None:
    """Where the server's programs are; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    return found[-1].parent if found else Path(named).parent if named else None


@dataclass(frozen=True)
class Database:
    """One database of the server, owned by mizan_publisher."""

    port: int
    name: str

    def url(self, user: str = "mizan_publisher", *, password: bool = True, driver: str = "postgresql") -> str:
        secret = f":{PASSWORDS[user]}" if password else ""
        return f"{driver}://{user}{secret}@127.0.0.1:{self.port}/{self.name}"

    def url_file(self, folder: Path, user: str = "mizan_publisher") -> Path:
        """The URL in a file, as an operator keeps it."""
        file = folder / f"{user}.url"
        file.write_text(self.url(user) + "\n")
        file.chmod(0o600)
        return file

    def ask(self, query: str, user: str = "sara", values: object = None) -> list[Any]:
        with contextlib.closing(psycopg2.connect(self.url(user))) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(query, values)
            return list(cursor.fetchall()) if cursor.description else []


@contextlib.contextmanager
def server(programs: Path) -> Iterator[int]:
    """The port of a running server."""
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="mizan-postgres-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        (folder / "password").write_text(PASSWORDS["postgres"])
        if as_nobody:
            for path in (folder, folder / "password"):
                os.chown(path, NOBODY, NOBODY)
        options = ["--auth=scram-sha-256", f"--pwfile={folder}/password", "--encoding=UTF8", "--locale=C.UTF-8"]
        initdb = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "--no-sync", *options]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **as_nobody)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "log_statement": "all",
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", "-p", str(port), *given],
                stdout=log, stderr=log, cwd=folder, **as_nobody,
            )  # fmt: skip
        try:
            _wait(port, process)
            Database(port, "postgres").ask(ROLES, "postgres")
            yield port
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            process.wait(timeout=60)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg2.connect(Database(port, "postgres").url("postgres")).close()
            return
        except psycopg2.OperationalError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
