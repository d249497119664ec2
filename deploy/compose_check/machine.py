"""What the machine must be, and what is installed on it where it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

# Debian's own programs, in front of whatever else a machine has under the same names.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "slirp4netns": "slirp4netns",
    "ip": "iproute2",
    "tini": "tini",
}
COMPOSE_FROM = "trixie"  # the oldest Debian whose docker-compose is version 2; it runs on the one before as well
_NO_DAEMONS = Path("/usr/sbin/policy-rc.d")


class Refused(Exception):
    """Not on this machine; the message says why."""


def program(name: str) -> str:
    """Where Debian's program of this name is; Refused where it is not."""
    found = shutil.which(name, path=PATH)
    if found is None:
        raise Refused(f"no {name}")
    return found


def require() -> None:
    """Refused, with a reason, on a machine on which the check cannot run."""
    if os.geteuid() != 0:
        raise Refused("not root: a Docker engine of its own needs namespaces, mounts and cgroups")
    if shutil.which("apt-get", path=PATH) is None:
        raise Refused("no apt-get: the engine and the stand-in images are made of Debian's packages")
    if not Path("/dev/net/tun").exists():
        raise Refused("no /dev/net/tun: containers would have no way to the package registries")


def install() -> list[str]:
    """Install what is missing of PROGRAMS, starting no daemon; the packages' names."""
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=PATH) is None})
    if missing:
        apt_get(["update"])
        _install(missing)
    if shutil.which("docker", path=PATH) is None:  # since Debian 13 a package of its own
        _install(["docker-cli"])
        missing.append("docker-cli")
    return missing


def _install(packages: list[str]) -> None:
    ours = not _NO_DAEMONS.exists()
    if ours:  # Debian starts what it installs, unless this file says no
        _NO_DAEMONS.write_text("#!/bin/sh\nexit 101\n")
        _NO_DAEMONS.chmod(0o755)
    try:
        apt_get(["install", "-y", "--no-install-recommends", *packages])
    finally:
        if ours:
            _NO_DAEMONS.unlink()


def apt_get(words: list[str], folder: Path | None = None) -> None:
    """One call of apt-get; Refused, with its last line, where it fails."""
    call = [program("apt-get"), "-qq", *words]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise Refused(f"apt-get {words[0]}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def mirror() -> str:
    """Where this machine gets Debian from, as its own apt sources say."""
    wanted = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"
    call = [program("apt-get"), "indextargets", "--format", wanted, "Created-By: Packages"]
    for line in subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines():
        origin, label, component, address = line.split("|", 3)
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address
    raise Refused("apt has no source of Debian itself: nothing to make the images of")


def compose_plugin(work: Path) -> Path:
    """The folder of Docker's settings with Debian's compose in it, fetched once, with an apt state of its own."""
    config = work / "config"
    plugin = config / "cli-plugins" / "docker-compose"
    if not plugin.exists():
        apt = work / "apt"
        for part in ("state/lists/partial", "cache/archives/partial"):
            (apt / part).mkdir(parents=True, exist_ok=True)
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (apt / "sources.list").write_text(f"deb [signed-by={keys}] {mirror()} {COMPOSE_FROM} main\n")
        own = [f"Dir::State={apt}/state", f"Dir::Cache={apt}/cache", f"Dir::Etc::SourceList={apt}/sources.list"]
        options = [f"-o{one}" for one in (*own, "Dir::Etc::SourceParts=-", "APT::Sandbox::User=root")]
        apt_get([*options, "update"])
        apt_get([*options, "download", "docker-compose"], folder=apt)
        archive = next(apt.glob("docker-compose_*.deb"))
        subprocess.run([program("dpkg"), "-x", archive, apt / "root"], check=True)
        plugin.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(apt / "root/usr/libexec/docker/cli-plugins/docker-compose", plugin)
        shutil.rmtree(apt)
    return config
