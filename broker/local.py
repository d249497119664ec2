"""The local Apache Kafka of one MIZAN_HOME: up, down, status.

Layout below ``$MIZAN_HOME``: ``broker/`` (data, logs, configuration, certificates, ports, pid), ``keys/``
(the passwords of admin and pipeline) and ``broker.json``, which tells clients where and how to log in.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import secrets
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from broker import process
from broker.administration import allow_pipeline, can_log_in
from broker.certificates import Certificates, ensure_certificates
from broker.jars import find_or_fetch
from broker.node import (
    ADMIN,
    GATEWAY,
    HOST,
    MECHANISM,
    PIPELINE,
    PROTOCOL,
    SCRAM_ITERATIONS,
    Ports,
    log4j_properties,
    server_properties,
)
from contracts.errors import MizanError, TryAgain, UsageError
from contracts.keys import keep_secret, read_secret, secret_folder, write_secret
from contracts.settings import KafkaLogin, Settings

START_SECONDS = 120.0
HEAP = "-Xmx512m"
JVM = ("-Xshare:auto", "-XX:+UseSerialGC", "-XX:-UsePerfData")
# For the short format, and for nodes that serve little (tests/faults): a start costs half the CPU (measured: 3.7 s of
# 6.9). Such a node serves a tenth (48,000 messages a second against 440,000), because only the full compiler knows the
# AES instructions of TLS.
QUICK_START = "-XX:TieredStopAtLevel=1"


def up(settings: Settings, *, benchmark_plaintext: bool = False) -> dict[str, Any]:
    """Start the local broker, or find it running; return what ``broker.json`` says.

    Comes back when the broker listens, accepts the administrator's login and has the pipeline's user.
    Data and ports are kept over restarts, also after kill -9. ``benchmark_plaintext`` adds one loopback
    listener without TLS (``plaintext_bootstrap``), for measuring against; no command sets it.

    Raises UsageError where Java or Maven is missing, MizanError where the node ends while starting (with
    its last log lines), TryAgain where it is not ready after two minutes.
    """
    folder = secret_folder(settings.home / "broker")
    with _one_at_a_time(folder):
        running = process.find(folder)
        if running is not None:
            ports = _kept_ports(folder)
            if ports is None or (benchmark_plaintext and ports.plaintext is None):
                raise UsageError("the broker is up with other listeners", hint="mizan broker down, then up")
        else:
            ports = _choose_ports(folder, benchmark_plaintext)
            running = _start(settings, folder, ports)
        _await_login(settings, folder, running, ports)
        allow_pipeline(_login(settings, ports), PIPELINE, read_secret(_password_file(settings, PIPELINE)))
        document = _document(settings, folder, ports)
        write_secret(settings.broker_file, json.dumps(document, indent=2))
        return document


def down(settings: Settings) -> bool:
    """Stop the local broker; True where one was running. Its data, ports and ``broker.json`` stay."""
    folder = settings.home / "broker"
    if not folder.is_dir():
        return False
    with _one_at_a_time(folder):
        running = process.find(folder)
        if running is None:
            return False
        process.stop(folder, running)
        return True


def status(settings: Settings) -> dict[str, Any]:
    """``running``, ``pid`` and ``log`` of the local broker, and what ``broker.json`` says where it exists."""
    folder = settings.home / "broker"
    running = process.find(folder) if folder.is_dir() else None
    known: dict[str, Any] = json.loads(settings.broker_file.read_text()) if settings.broker_file.exists() else {}
    return {
        "running": running is not None,
        "pid": None if running is None else running.pid,
        **known,
        "log": str(folder / "logs" / "server.log"),
    }


def _start(settings: Settings, folder: Path, ports: Ports) -> process.Running:
    jars = find_or_fetch(settings)
    data, logs = folder / "data", secret_folder(folder / "logs")
    admin_password_file = _password_file(settings, ADMIN)
    if data.exists() and not admin_password_file.exists():
        raise UsageError(
            f"{admin_password_file} is missing, but the broker's data know that login",
            hint=f"restore the file, or remove {folder} to begin with an empty broker",
        )
    for user in (ADMIN, PIPELINE):
        keep_secret(_password_file(settings, user), lambda: secrets.token_urlsafe(24))
    password = read_secret(admin_password_file)
    files = ensure_certificates(folder / "tls")
    (folder / "log4j2.properties").write_text(log4j_properties(logs), encoding="utf-8")
    options = [*JVM, f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}", "-cp", f"{jars}/*"]
    if not data.exists():
        _format(folder, ports, files, password, options)
    write_secret(folder / "server.properties", server_properties(data, ports, files, password))
    return process.start(
        folder,
        [
            HEAP,
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={logs}/jvm-error.log",
            *options,
            "kafka.Kafka",
            str(folder / "server.properties"),
        ],
        logs / "console.log",
    )


def _format(folder: Path, ports: Ports, files: Certificates, password: str, options: list[str]) -> None:
    """Make the data folder with the administrator's login in it: whole, or not at all."""
    draft = folder / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    write_secret(folder / "format.properties", server_properties(draft, ports, files, password))
    scram = f"{MECHANISM}=[name={ADMIN},iterations={SCRAM_ITERATIONS},password={password}]"
    call = [*options, "kafka.tools.StorageTool", "format", "-t", cluster_id()]
    call += ["-c", str(folder / "format.properties"), "--add-scram", scram]
    # Through a file, not the command line: every user of the machine may read a command line.
    arguments = folder / "format.arguments"
    quoted = (argument.replace("\\", "\\\\").replace('"', '\\"') for argument in call)
    write_secret(arguments, "\n".join(f'"{argument}"' for argument in quoted))
    try:
        done = subprocess.run(
            [process.java(), QUICK_START, f"@{arguments}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        arguments.unlink()
        (folder / "format.properties").unlink()
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        lines = (done.stdout + done.stderr).replace(password, "***").strip().splitlines()
        raise MizanError(f"Kafka could not format its data folder: {lines[-1] if lines else 'no reason given'}")
    draft.rename(folder / "data")


def _await_login(settings: Settings, folder: Path, running: process.Running, ports: Ports) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (_listens(ports.client) and can_log_in(_login(settings, ports))):
        if not process.is_alive(running):
            raise MizanError(f"the broker ended while starting: {_last_trouble(folder / 'logs')}")
        if time.monotonic() > deadline:
            raise TryAgain(f"the broker is not ready after {START_SECONDS:.0f} s; see {folder / 'logs'}")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _last_trouble(logs: Path) -> str:
    """The last thing the node complained of, from its log or (where the JVM itself failed) from its console."""
    for name, words in (("server.log", ("fatal exception", " ERROR ")), ("console.log", ("rror: ", "Exception: "))):
        with contextlib.suppress(OSError):
            lines = (logs / name).read_text(encoding="utf-8", errors="replace").splitlines()[-500:]
            for word in words:
                found = [number for number, line in enumerate(lines) if word in line]
                if found:
                    # The line after it names the exception.
                    return f"{' '.join(lines[found[-1] : found[-1] + 2])} (see {logs / name})"
    return f"see {logs}"


def _login(settings: Settings, ports: Ports) -> KafkaLogin:
    """The administrator's login to this very node, whatever cluster the environment names."""
    return KafkaLogin(
        bootstrap_servers=f"{HOST}:{ports.client}",
        security_protocol=PROTOCOL,
        sasl_mechanism=MECHANISM,
        username=ADMIN,
        password_file=_password_file(settings, ADMIN),
        ca_file=settings.home / "broker" / "tls" / "ca.pem",
    )


def _document(settings: Settings, folder: Path, ports: Ports) -> dict[str, Any]:
    document = {
        "bootstrap": f"{HOST}:{ports.client}",
        "security_protocol": PROTOCOL,
        "sasl_mechanism": MECHANISM,
        "ca_file": str(folder / "tls" / "ca.pem"),
        "pipeline_username": PIPELINE,
        "pipeline_password_file": str(_password_file(settings, PIPELINE)),
        "admin_username": ADMIN,
        "admin_password_file": str(_password_file(settings, ADMIN)),
        # Made with the first token: without a gateway there is no login that writes to every topic.
        "gateway_username": GATEWAY,
        "gateway_password_file": str(_password_file(settings, GATEWAY)),
    }
    if ports.plaintext is not None:
        document["plaintext_bootstrap"] = f"{HOST}:{ports.plaintext}"
    return document


def _password_file(settings: Settings, user: str) -> Path:
    return settings.keys / f"kafka-{user}.password"


def _kept_ports(folder: Path) -> Ports | None:
    try:
        return Ports(**json.loads((folder / "ports.json").read_text(encoding="ascii")))
    except (OSError, ValueError, TypeError):
        return None


def _choose_ports(folder: Path, benchmark_plaintext: bool) -> Ports:
    """Last time's ports where they are still free, so that bundles stay valid; else new ones."""
    kept = _kept_ports(folder)
    wanted = [kept.client, kept.controller] if kept else [0, 0]
    if benchmark_plaintext:
        wanted.append((kept and kept.plaintext) or 0)
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(_bound(port)).getsockname()[1] for port in wanted]
    ports = Ports(*free)
    write_secret(folder / "ports.json", json.dumps(vars(ports)))
    return ports


def _bound(port: int) -> socket.socket:
    """A socket bound to ``port`` on loopback, or to any free port where that one is taken."""
    for candidate in (port, 0):
        taken = socket.socket()
        # As Java does it: a connection of the last run in TIME_WAIT does not make its port foreign.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, candidate))
            return taken
        except OSError:
            taken.close()
    raise MizanError("no TCP port can be bound on loopback", hint="mizan doctor")


def cluster_id() -> str:
    """A random Kafka cluster id: 22 characters, not beginning with a hyphen (it is a command-line value)."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two calls at once would start two brokers on one data folder: the second waits."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
