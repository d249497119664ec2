"""What is secret in a home, the files that keep it, and what the processes of a home show to everybody (S8)."""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import threading
from pathlib import Path

import psutil

# Below the home: where secrets are kept, or handed to a program as a file. Everything here is its owner's alone.
_KEPT = re.compile(
    r"keys/.*|agencies/.*|broker/(server|format)\.(properties|arguments)|broker/tls/.*|airflow/(passwords\.json|airflow\.cfg)"
)
_LONG = re.compile(r"[A-Za-z0-9+/=_-]{16,}")


def keeps_secrets(name: str) -> bool:
    """Whether a file, by its name below the home, is one of those that hold secrets."""
    return _KEPT.fullmatch(name) is not None


def secrets_of(home: Path) -> dict[str, str]:
    """Every secret of a home, and its name: keys, passwords, private keys by line, what Airflow drew itself."""
    found: dict[str, str] = {}
    for path in [*home.glob("keys/*"), *home.glob("agencies/*/password"), *home.glob("agencies/*/*/password")]:
        if path.is_file() and not path.name.endswith((".id", ".pub", ".pem")):
            found |= dict.fromkeys(_LONG.findall(path.read_text()), path.name)
    for path in (*home.glob("keys/*.pem"), *home.glob("broker/tls/*")):
        for block in re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", path.read_text(), re.DOTALL):
            # The first line of a key in PKCS#8 names its kind and is the same in many keys.
            found |= {line: f"{path.name}, a private key" for line in block.split()[1:] if len(line) > 16}
    with contextlib.suppress(FileNotFoundError):
        told = json.loads((home / "airflow" / "passwords.json").read_text())
        found |= {password: f"Airflow's {user}" for user, password in told.items()}
        drawn = configparser.ConfigParser(interpolation=None, strict=False)
        drawn.read(home / "airflow" / "airflow.cfg")
        for section, name in (("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret")):
            if value := drawn.get(section, name, fallback="").strip():
                found[value] = f"Airflow's {name}"
    return found


class Onlooker(threading.Thread):
    """Somebody on the same machine who notes arguments and environment of every process of a home, while it lives."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self._home, self._end = str(home).encode(), threading.Event()
        self._seen: dict[tuple[int, float], int] = {}
        self.noted: set[bytes] = set()
        self.programs: set[str] = set()

    def run(self) -> None:
        while not self._end.wait(0.2):
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error, OSError):
                    # A process becomes another program after its start: each is looked at more than once.
                    which = (process.pid, process.create_time())
                    if self._seen.setdefault(which, 0) < 3:
                        self._seen[which] += 1
                        self._note(Path("/proc") / str(process.pid))

    def _note(self, process: Path) -> None:
        shown = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        if any(self._home in part for part in shown):
            self.noted.update(part for text in shown for part in text.split(b"\0"))
            self.programs.add(Path(shown[0].split(b"\0")[0].decode()).name)

    def stop(self) -> bytes:
        """Everything noted."""
        self._end.set()
        self.join()
        return b"\n".join(sorted(self.noted))
