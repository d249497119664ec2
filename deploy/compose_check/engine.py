"""A Docker engine in namespaces of its own: whatever happens, it and its containers end with the check.

``contained`` is called on the host: it starts the check again as the first process of new pid, mount and network
namespaces, with a network in user space. When that process ends, or is killed, the kernel ends all others in there,
and with the last of them go mounts, bridge and rules. What stays is folders, and ``sweep`` removes those.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

from compose_check.machine import PATH, program
from compose_check.steps import until

DEVICE = "tap0"
RESOLVER = "10.0.2.3"  # slirp4netns answers names there, by the host's own resolver
_DIES_WITH_US = ["--pdeathsig", "KILL", "--"]
_NAMESPACES = ["--pid", "--fork", "--kill-child", "--mount-proc", "--mount", "--net", "--"]


def contained(work: Path, module: str) -> int:
    """Run ``python -m module inside`` in namespaces of its own; its exit code."""
    inside = subprocess.Popen(
        [
            program("setpriv"),
            *_DIES_WITH_US,
            program("unshare"),
            *_NAMESPACES,
            program("tini"),
            "--",
            sys.executable,
            "-m",
            module,
            "inside",
        ]
    )
    children = Path(f"/proc/{inside.pid}/task/{inside.pid}/children")
    network = None
    try:
        first = until(lambda: children.read_text().split() or None, 10, "new namespaces")[0]
        # unshare becomes the namespace's first process only after it has split off.
        until(lambda: Path(f"/proc/{first}/ns/net").readlink() != Path("/proc/self/ns/net").readlink(), 10, "a network")
        options = ["--configure", "--mtu=65520", "--disable-host-loopback"]
        with (work / "network.log").open("w") as log:
            network = subprocess.Popen(
                [program("setpriv"), *_DIES_WITH_US, program("slirp4netns"), *options, first, DEVICE],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return inside.wait()
    finally:
        for process in (inside, network):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


def cgroup(work: Path) -> str:
    """The name of the containers' cgroup: each checkout has its own."""
    return f"mizan-compose-check-{zlib.crc32(str(work).encode()):08x}"


def sweep(work: Path, keep_images: bool) -> None:
    """Remove what a check leaves, also one that was killed: containers' folders, and cgroups."""
    groups = [Path(top) for top, _, _ in os.walk("/sys/fs/cgroup") if cgroup(work) in Path(top).parts]
    for group in sorted(groups, key=lambda path: -len(path.parts)):
        group.rmdir()
    for place in (
        "exec",
        "docker.sock",
        "docker.pid",
        "home",
        "bundle",
        *(() if keep_images else ("data", "config", "images")),
    ):
        path = work / place
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class Engine:
    """The engine; made inside the namespaces."""

    def __init__(self, work: Path, config: Path) -> None:
        self.work = work
        self.data = work / "data"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("DOCKER_", "COMPOSE_", "MIZAN_"))
            },
            "PATH": PATH,
            "DOCKER_HOST": f"unix://{work}/docker.sock",
            "DOCKER_CONFIG": str(config),
            "DOCKER_BUILDKIT": "1",
        }

    def start(self) -> None:
        """Network, names and daemon; returns when the daemon answers. TimeoutError with its log's name otherwise."""
        subprocess.run([program("ip"), "link", "set", "lo", "up"], check=True)
        until(
            lambda: DEVICE in subprocess.run([program("ip"), "-4", "addr"], capture_output=True, text=True).stdout,
            20,
            DEVICE,
        )
        # containerd keeps its sockets in /run, whatever it is told: they, too, end with this mount namespace.
        subprocess.run([program("mount"), "-t", "tmpfs", "tmpfs", "/run"], check=True)
        # The broker's certificate and address name `kafka`: a client on this machine knows it by its hosts file.
        self._instead("/etc/hosts", Path("/etc/hosts").read_text() + "\n127.0.0.1 kafka\n")
        self._instead("/etc/resolv.conf", f"nameserver {RESOLVER}\n")
        work = self.work
        places = {"data-root": self.data, "exec-root": work / "exec", "pidfile": work / "docker.pid"}
        options = [f"--{name}={place}" for name, place in places.items()]
        options += [f"--host=unix://{work}/docker.sock", f"--dns={RESOLVER}", "--storage-driver=overlay2"]
        # Without a leading slash: below the cgroup this check itself is in, and so within its limits.
        options += [f"--cgroup-parent={cgroup(work)}", "--exec-opt=native.cgroupdriver=cgroupfs"]
        with (work / "engine.log").open("w") as log:
            self._daemon = subprocess.Popen(
                [program("dockerd"), *options], env=self.environment, stdout=log, stderr=log
            )
        until(self._answers, 60, f"a Docker engine ({work}/engine.log)")

    def stop(self) -> None:
        """End the daemon; its containers end with the namespace."""
        self._daemon.terminate()
        self._daemon.wait(60)

    def docker(self, *words: str, stdin: Path | None = None, check: bool = True) -> str:
        """What ``docker …`` prints; RuntimeError with its last lines where it fails."""
        with (stdin or Path(os.devnull)).open("rb") as given:
            done = subprocess.run(
                [program("docker"), *words],
                env=self.environment,
                stdin=given,
                capture_output=True,
                text=True,
                errors="replace",
            )
        if check and done.returncode:
            raise RuntimeError(f"docker {' '.join(words[:4])}: " + "\n".join(done.stderr.strip().splitlines()[-15:]))
        return done.stdout

    def versions(self) -> str:
        """Engine, compose, runtime and storage, as they name themselves."""
        wanted = "{{.ServerVersion}}, containerd {{.ContainerdCommit.ID}}, {{.Driver}}, cgroup v{{.CgroupVersion}}"
        compose = self.docker("compose", "version", "--short").strip()
        return f"{self.docker('info', '--format', wanted).strip()}, compose {compose}"

    def disk(self) -> int:
        """Bytes of everything the engine keeps: images, containers, volumes."""
        told = subprocess.run(
            [program("du"), "--summarize", "--one-file-system", "--bytes", self.data], capture_output=True, text=True
        )
        return int(told.stdout.split()[0])

    def _answers(self) -> bool:
        if self._daemon.poll() is not None:
            raise RuntimeError(f"the Docker engine ended at once: see {self.work}/engine.log")
        return subprocess.run([program("docker"), "version"], env=self.environment, capture_output=True).returncode == 0

    def _instead(self, path: str, text: str) -> None:
        """Another file in ``path``'s place, in this mount namespace alone."""
        file = self.work / path.strip("/").replace("/", "-")
        file.write_text(text)
        subprocess.run([program("mount"), "--bind", str(file), path], check=True)
