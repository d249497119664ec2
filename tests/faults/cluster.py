"""Kafka for fault rows: one to three real nodes on loopback, configured as the product configures its own.

Every node has two listeners for clients: the direct one, and PROXIED, whose advertised address is that of a FaultProxy.
A client that bootstraps at the proxy stays behind it. Nodes are killed, stopped and started one by one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from kafka.admin import KafkaAdminClient

from broker import process
from broker.administration import allow_pipeline, can_log_in
from broker.certificates import Certificates, ensure_certificates
from broker.jars import find_or_fetch
from broker.local import HEAP, JVM, QUICK_START, cluster_id
from broker.node import (
    ADMIN,
    HOST,
    MECHANISM,
    PIPELINE,
    PROTOCOL,
    SCRAM_ITERATIONS,
    Ports,
    log4j_properties,
    server_properties,
)
from contracts.keys import create_keys, secret_folder, write_secret
from contracts.settings import KafkaLogin, Settings
from faults.proxy import FaultProxy

PASSWORDS = {ADMIN: "admin-of-a-fault-cluster", PIPELINE: "pipeline-of-a-fault-cluster"}
START_SECONDS = 120.0


@dataclass
class Node:
    """One broker and controller of the cluster; ``data`` may lie on another disk than ``folder``."""

    number: int
    folder: Path
    data: Path
    ports: Ports
    behind: int  # the port that the proxy forwards to
    proxy: FaultProxy
    running: process.Running | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.ports.client}"


class Cluster:
    """Use as a context. ``settings`` reach the nodes directly, ``proxied`` through their proxies."""

    def __init__(
        self,
        home: Path,
        nodes: int = 1,
        *,
        data: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self._more = dict(more or {})
        self._files = ensure_certificates(home / "tls")
        ports = _free_ports(nodes * 3)
        self.nodes = [
            Node(
                number + 1,
                secret_folder(home / f"node-{number + 1}"),
                (data or home / f"node-{number + 1}") / "data",
                Ports(ports[3 * number], ports[3 * number + 1]),
                ports[3 * number + 2],
                FaultProxy(ports[3 * number + 2], self._files.node, self._files.ca),
            )
            for number in range(nodes)
        ]
        for user, password in PASSWORDS.items():
            write_secret(home / f"{user}.password", password)
        self.settings = self._settings("direct", [node.address for node in self.nodes])
        self.proxied = self._settings("proxied", [node.proxy.address for node in self.nodes])

    def __enter__(self) -> Cluster:
        try:
            self._format()
            for node in self.nodes:
                self.start(node, wait=False)
            self.wait_until_ready()
            allow_pipeline(self.settings.kafka_admin(), PIPELINE, PASSWORDS[PIPELINE])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every node and proxy; nothing of the cluster is needed any more."""
        for node in self.nodes:
            self.kill(node)
            node.proxy.close()

    def heal(self) -> Cluster:
        """Every node up, every proxy healthy: how a row finds the cluster."""
        for node in self.nodes:
            node.proxy.heal()
            node.proxy.lose_acknowledgements(0)
            if node.running is None or not process.is_alive(node.running):
                self.kill(node)
                self.start(node, wait=False)
        self.wait_until_ready()
        return self

    @property
    def files(self) -> Certificates:
        return self._files

    def start(self, node: Node, *, wait: bool = True) -> None:
        """Start a node that is down; with ``wait`` come back when it takes logins."""
        assert node.running is None
        write_secret(node.folder / "server.properties", self._properties(node, node.data))
        arguments = [HEAP, "-XX:+ExitOnOutOfMemoryError", QUICK_START, *self._java(node), "kafka.Kafka"]
        node.running = process.start(
            node.folder, [*arguments, str(node.folder / "server.properties")], node.folder / "console.log"
        )
        if wait:
            self.wait_until_ready([node])

    def kill(self, node: Node, kind: signal.Signals = signal.SIGKILL) -> None:
        """End a node at once (or politely, with SIGTERM), and wait until its process is gone."""
        if node.running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(node.running.pid, kind)
        ended = psutil.Process(node.running.pid) if psutil.pid_exists(node.running.pid) else None
        if ended is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                ended.wait(60)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(node.running.pid, 0)
        node.running = None

    def wait_until_ready(self, nodes: list[Node] | None = None) -> None:
        """Until every node (or those named) that should run takes the administrator's login."""
        deadline = time.monotonic() + START_SECONDS
        for node in self.nodes if nodes is None else nodes:
            assert node.running is not None
            login = self._login(node)
            while not (_listens(node.ports.client) and can_log_in(login)):
                assert process.is_alive(node.running), f"node {node.number} ended: {node.folder}/server.log"
                assert time.monotonic() < deadline, f"node {node.number} is not ready: {node.folder}/server.log"
                time.sleep(0.1)

    def admin(self) -> KafkaAdminClient:
        """The administrator's client; close it."""
        return KafkaAdminClient(**self.settings.kafka_admin().for_kafka_python())

    def leader(self, topic: str, partition: int = 0) -> Node | None:
        """The node that leads the partition now, or None."""
        with contextlib.closing(self.admin()) as admin:
            (described,) = admin.describe_topics([topic])
        numbers = {part["partition_index"]: part["leader_id"] for part in described["partitions"]}
        return next((node for node in self.nodes if node.number == numbers[partition]), None)

    def renew_certificates(self, files: Certificates) -> None:
        """Take other certificates from the next start on; the authority must be the same."""
        self._files = files

    def _format(self) -> None:
        """Make every node's data folder, all at once, for one cluster and with the administrator's login in it."""
        cluster = cluster_id()
        scram = f"{MECHANISM}=[name={ADMIN},iterations={SCRAM_ITERATIONS},password={PASSWORDS[ADMIN]}]"
        calls = []
        for node in self.nodes:
            write_secret(node.folder / "server.properties", self._properties(node, node.data))
            (node.folder / "log4j2.properties").write_text(log4j_properties(node.folder), encoding="utf-8")
            tool = [QUICK_START, *self._java(node), "kafka.tools.StorageTool", "format", "-t", cluster]
            tool += ["-c", str(node.folder / "server.properties"), "--add-scram", scram]
            calls.append(
                subprocess.Popen([process.java(), *tool], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            )
        for call in calls:
            said, _ = call.communicate(timeout=START_SECONDS)
            assert call.returncode == 0, said

    def _java(self, node: Node) -> list[str]:
        jars = find_or_fetch(self.settings)
        return [*JVM, f"-Dlog4j2.configurationFile={node.folder / 'log4j2.properties'}", "-cp", f"{jars}/*"]

    def _properties(self, node: Node, data: Path) -> str:
        """The product's own configuration, then what differs: of two lines with one name the later counts."""
        copies, quorum = str(len(self.nodes)), str(min(2, len(self.nodes)))
        names = ("default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        isr = ("min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr")
        other = {
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(f"{n.number}@{HOST}:{n.ports.controller}" for n in self.nodes),
            "listeners": f"CLIENT://{node.address},PROXIED://{HOST}:{node.behind},"
            f"CONTROLLER://{HOST}:{node.ports.controller}",
            "advertised.listeners": f"CLIENT://{node.address},PROXIED://{node.proxy.address}",
            "listener.security.protocol.map": "CLIENT:SASL_SSL,PROXIED:SASL_SSL,CONTROLLER:SSL",
            "listener.name.proxied.ssl.client.auth": "none",
            "listener.name.proxied.sasl.enabled.mechanisms": MECHANISM,
            "listener.name.proxied.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            **{f"{name}.replication.factor": copies for name in names},
            **dict.fromkeys(isr, quorum),
            # A dead node is noticed soon: a row waits for the next leader.
            "broker.session.timeout.ms": "3000",
            "replica.lag.time.max.ms": "3000",
            **self._more,
        }
        told = server_properties(data, node.ports, self._files, PASSWORDS[ADMIN])
        return told + "".join(f"{name}={value}\n" for name, value in other.items())

    def _login(self, node: Node) -> KafkaLogin:
        return KafkaLogin(node.address, PROTOCOL, MECHANISM, ADMIN, self.home / f"{ADMIN}.password", self._files.ca)

    def _settings(self, name: str, addresses: list[str]) -> Settings:
        home = secret_folder(self.home / name)
        document: dict[str, Any] = {
            "bootstrap": ",".join(addresses),
            "security_protocol": PROTOCOL,
            "sasl_mechanism": MECHANISM,
            "ca_file": str(self._files.ca),
        }
        for user, role in ((PIPELINE, "pipeline"), (ADMIN, "admin")):
            document |= {f"{role}_username": user, f"{role}_password_file": str(self.home / f"{user}.password")}
        write_secret(home / "broker.json", json.dumps(document))
        settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
        create_keys(settings)
        return settings


_shared: dict[int, Cluster] = {}


def shared(nodes: int = 1) -> Cluster:
    """The cluster of this many nodes that all rows of this process use in turn; ended with the process."""
    if nodes not in _shared:
        home = Path(tempfile.mkdtemp(prefix="mizan-faults-"))
        _shared[nodes] = Cluster(home, nodes).__enter__()
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        atexit.register(_shared[nodes].close)
    return _shared[nodes].heal()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for sock in held:
            sock.bind((HOST, 0))
        return [int(sock.getsockname()[1]) for sock in held]
    finally:
        for sock in held:
            sock.close()
