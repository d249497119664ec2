"""The stack of docker-compose.yml: up, asked, its processes killed, down."""

from __future__ import annotations

import json
import os
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

from compose_check.engine import Engine
from compose_check.steps import until

ROOT = Path(__file__).resolve().parents[2]
KEPT_UP = (
    "kafka",
    "postgres",
    "gateway",
    "dashboard",
    "airflow-api",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
)
AWAKE_SECONDS = 300  # until a killed service is healthy again; on two busy cores Airflow needs most of it
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


class Stack:
    """One project of docker compose."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.work = engine.work
        self._base = ("compose", "--project-directory", str(ROOT), "--file", str(ROOT / "docker-compose.yml"))
        self.memory: defaultdict[str, int] = defaultdict(int)

    def compose(self, *words: str, check: bool = True) -> str:
        """What ``docker compose …`` prints."""
        return self._engine.docker(*self._base, *words, check=check)

    def mizan(self, *words: str) -> str:
        """What ``mizan …`` prints in the gateway's container, as its user."""
        return self.compose("exec", "-T", "gateway", "mizan", *words)

    def asked(self, *words: str) -> Any:
        """The JSON document that ``mizan … --json`` prints."""
        return json.loads(self.mizan(*words, "--json"))

    def up(self) -> None:
        """Build and start; RuntimeError, with what the services said last, where one does not become healthy."""
        try:
            self.compose("up", "--build", "--wait", "--wait-timeout", "600", "--pull", "never", "--quiet-pull")
        except RuntimeError as error:
            said = self.compose("logs", "--no-color", "--tail", "15", check=False)
            raise RuntimeError(f"{error}\n{said}") from error

    def down(self) -> None:
        """Remove containers, networks and volumes, whatever there is."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")

    def healths(self) -> dict[str, str]:
        """Of each service that stays up: ``healthy``, or what it is instead."""
        listed = [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines()]
        found = {one["Service"]: one["Health"] or f"{one['State']} without a check" for one in listed}
        return {service: found.get(service, "not there") for service in KEPT_UP}

    def all_healthy(self) -> bool:
        """Every service that stays up is, and says so."""
        return set(self.healths().values()) == {"healthy"}

    def kill(self, service: str) -> None:
        """``kill -9`` of the service's first process, as a crash would: the engine was not told and must notice."""
        os.kill(int(self._inspected(service, "{{.State.Pid}}")), signal.SIGKILL)

    def wait_restarted(self, service: str, restarts_before: int) -> None:
        """Until the engine has started the service again and it is healthy."""
        until(lambda: self.restarts(service) > restarts_before, 60, f"a restart of {service}")
        healthy = lambda: self._inspected(service, "{{.State.Health.Status}}") == "healthy"  # noqa: E731
        until(healthy, AWAKE_SECONDS, f"{service} healthy again")

    def restarts(self, service: str) -> int:
        """How often the engine has started it again."""
        return int(self._inspected(service, "{{.RestartCount}}"))

    def volume(self, name: str) -> Path:
        """Where the files of one volume are."""
        return Path(self._engine.docker("volume", "inspect", "--format", "{{.Mountpoint}}", f"mizan_{name}").strip())

    def look_at_memory(self) -> None:
        """Note the memory of each container now; the largest seen is kept."""
        told = self._engine.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
        for line in told.splitlines():
            container, used = line.split()[:2]
            service = container.removeprefix("mizan-").removesuffix("-1")
            self.memory[service] = max(self.memory[service], _bytes(used))

    def _inspected(self, service: str, wanted: str) -> str:
        container = self.compose("ps", "--all", "--quiet", service).strip()
        return self._engine.docker("inspect", "--format", wanted, container).strip()


def _bytes(text: str) -> int:
    unit = text.lstrip("0123456789.")
    return int(float(text.removesuffix(unit)) * _UNITS[unit])
