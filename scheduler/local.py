"""Start and stop one Airflow for one MIZAN_HOME, kept by keeper.py: loopback only, its own password, its own folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from contracts.errors import MizanError, UsageError
from contracts.settings import Settings

READY_SECONDS = 240.0
STOP_SECONDS = 30.0
# One slot: a single process may write the build database, whatever Airflow would like to run at once.
BUILD_POOL = "build_database"
# What died is noticed within the minute that landing is promised in; Airflow's own defaults are five. A running task
# says every five seconds that it lives (workers.min_heartbeat_interval): twelve of these must be missed before it is
# retried, and a task retried too early is fenced. An operator's environment may say otherwise; see TUNABLE.
TIMES = {
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    # The scheduler looks for work every second: a wake-up is worth little behind a five-second nap.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
}
# The only settings of Airflow that the caller's environment may pass: how fast and how much, never where or who.
# Anything else (AIRFLOW_HOME, a database, an executor) would be that of some other Airflow of the operator's.
TUNABLE = frozenset(
    {
        *TIMES,
        "AIRFLOW__CORE__PARALLELISM",
        "AIRFLOW__LOGGING__LOGGING_LEVEL",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL",
    }
)
COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


@dataclass(frozen=True)
class Standalone:
    """A running Airflow: the session leader's pid, when it started, and where its API listens."""

    pid: int
    started: float
    port: int

    @property
    def url(self) -> str:
        """The API server's address, loopback."""
        return f"http://127.0.0.1:{self.port}"


def airflow_home(settings: Settings) -> Path:
    """Where Airflow keeps its database, logs and configuration."""
    return settings.home / "airflow"


def dags_folder() -> Path:
    """The DAG files: named by the environment (in the image), else beside the rooms in a checkout."""
    named = os.environ.get("AIRFLOW__CORE__DAGS_FOLDER")
    return Path(named) if named else Path(__file__).resolve().parent.parent / "dags"


def environment(settings: Settings, port: int, log_ports: tuple[int, int]) -> dict[str, str]:
    """The process environment of Airflow and of every task it starts. Holds no secret: those stay in files."""
    defaults = {"AIRFLOW__CORE__PARALLELISM": "4", **TIMES}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW") or name in TUNABLE}
    return {
        **defaults,
        **kept,
        "AIRFLOW_HOME": str(airflow_home(settings)),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder()),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords_file(settings)),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_ports[1]),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_ports[0]),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "MIZAN_HOME": str(settings.home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def up(settings: Settings) -> Standalone:
    """Start Airflow unless it runs, and return when every component is healthy and the build pool is there.

    Raises MizanError when it does not become healthy in four minutes; its log is in MIZAN_HOME/airflow.
    """
    running = start(settings)
    wait_until_ready(settings, running)
    return running


def start(settings: Settings) -> Standalone:
    """Start Airflow unless it runs, and return at once."""
    running = find(settings)
    if running is not None:
        return running
    folder = airflow_home(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_password(settings)
    ports = _free_ports(3)
    # posix_spawn, not subprocess: Airflow is meant to outlive the caller.
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "scheduler.keeper"],
        environment(settings, ports[0], (ports[1], ports[2])),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(folder / "standalone.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    running = Standalone(pid, psutil.Process(pid).create_time(), ports[0])
    _state_file(settings).write_text(json.dumps(asdict(running)), encoding="ascii")
    return running


def wait_until_ready(settings: Settings, running: Standalone) -> None:
    """Poll until every component is healthy, then make the build pool."""
    from scheduler.api import Airflow

    deadline = time.monotonic() + READY_SECONDS
    while not _healthy(running):
        if not psutil.pid_exists(running.pid) or time.monotonic() > deadline:
            raise MizanError(
                "Airflow did not become healthy", hint=f"its log: {airflow_home(settings) / 'standalone.log'}"
            )
        time.sleep(0.3)
    with Airflow(settings, running) as airflow:
        airflow.ensure_pool(BUILD_POOL, 1)


def find(settings: Settings) -> Standalone | None:
    """The Airflow that runs for this MIZAN_HOME, or None."""
    try:
        noted = Standalone(**json.loads(_state_file(settings).read_text(encoding="ascii")))
        started = psutil.Process(noted.pid).create_time()
    except (OSError, ValueError, TypeError, psutil.Error):
        return None
    return noted if abs(started - noted.started) < 1 else None


def down(settings: Settings) -> bool:
    """End every process of Airflow's session; False where none ran. SIGTERM first, SIGKILL after 30 s."""
    running = find(settings)
    if running is None:
        return False
    for kind, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        deadline = time.monotonic() + seconds
        while members := _session(running.pid):
            if time.monotonic() > deadline:
                break
            for member in members:
                try:
                    os.kill(member, kind)
                except ProcessLookupError:
                    continue
            time.sleep(0.5)
    _state_file(settings).unlink(missing_ok=True)
    return True


def password(settings: Settings) -> str:
    """The admin's password for Airflow's pages and API; UsageError before the first start."""
    try:
        found = json.loads(_passwords_file(settings).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError("Airflow has not been started here", hint="run: make up") from error
    return str(found["admin"])


def _session(leader: int) -> list[int]:
    """Pids of the session that ``leader`` opened, the leader among them; zombies of ours are reaped."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(leader, os.WNOHANG)
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def _healthy(running: Standalone) -> bool:
    try:
        answer = httpx.get(f"{running.url}/api/v2/monitor/health", timeout=5.0)
        health = answer.json() if answer.status_code == httpx.codes.OK else {}
    except (httpx.HTTPError, ValueError):
        return False
    return all(health.get(name, {}).get("status") == "healthy" for name in COMPONENTS)


def _write_password(settings: Settings) -> None:
    path = _passwords_file(settings)
    if path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"admin": secrets.token_urlsafe(24)}, file)


def _passwords_file(settings: Settings) -> Path:
    return airflow_home(settings) / "passwords.json"


def _state_file(settings: Settings) -> Path:
    return airflow_home(settings) / "standalone.json"


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, held open together so that no two are the same."""
    held = [socket.socket() for _ in range(count)]
    try:
        for sock in held:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in held]
    finally:
        for sock in held:
            sock.close()
