"""Stand-ins for the official images, under their names: no image registry is asked.

They are Debian with the same user ids, folders, programs and entry points as far as docker-compose.yml relies on them
(standins/). What the official images hold besides is not tried here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from broker.jars import shared_folder
from compose_check.engine import Engine
from compose_check.machine import mirror, program

SUITE = "bookworm"  # that of the official Airflow image; Python 3.11, PostgreSQL 15, OpenJDK 17
BASE = f"mizan-compose-check/debian:{SUITE}"
PACKAGES = "ca-certificates,curl,dumb-init,openjdk-17-jre-headless,postgresql,python3-venv"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
STANDINS = {
    "apache/airflow:3.3.2-python3.11": "airflow.Dockerfile",
    "apache/kafka:4.3.1": "kafka.Dockerfile",
    "postgres:17": "postgres.Dockerfile",
}
_TEXTS = Path(__file__).parent / "standins"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_INDEX = re.compile(r"[^.]*\.(index-url|extra-index-url|trusted-host)='(.*)'")


def make_base(engine: Engine) -> str:
    """Debian with what the stand-ins need, where it is not there yet; its size, and whether it was."""
    kept = engine.docker("image", "ls", "--quiet", BASE).strip()
    if not kept:
        archive = engine.work / "images" / "base.tar"
        archive.parent.mkdir(exist_ok=True)
        call = [
            program("mmdebstrap"),
            "--quiet",
            "--variant=minbase",
            "--mode=root",
            f"--keyring={KEYS}",
            f"--include={PACKAGES}",
            "--dpkgopt=force-unsafe-io",
        ]
        done = subprocess.run(
            [*call, SUITE, str(archive), mirror()],
            env={**engine.environment, "TMPDIR": str(archive.parent)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"mmdebstrap: {done.stderr[-3000:]}")
        engine.docker("import", "-", BASE, stdin=archive)
        archive.unlink()
    size = engine.docker("image", "ls", "--format", "{{.Size}}", BASE).strip()
    return f"{size}, kept, with what was built on it, from a run before" if kept else f"{size}, made anew"


def make_standins(engine: Engine) -> str:
    """The images that docker-compose.yml and the Dockerfile name; what they are."""
    context = engine.work / "images"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(_TEXTS, context)
    shutil.copytree(shared_folder(), context / "jars")
    # A machine behind a proxy that signs anew trusts its authority; what is built on it must, too.
    shutil.copy(_AUTHORITIES, context / "ca-certificates.crt")
    (context / "pip.conf").write_text(_pip_settings())
    for name, text in STANDINS.items():
        engine.docker("build", "--quiet", "--tag", name, "--file", str(context / text), str(context))
    shutil.rmtree(context)
    return ", ".join(STANDINS)


def _pip_settings() -> str:
    """Where this machine's own pip gets packages from, for the pip in the images."""
    call = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {match[1]: match[2] for match in map(_INDEX.fullmatch, listed) if match}
    return (
        "\n".join(["[global]", "cert = /etc/ssl/certs/ca-certificates.crt", *(f"{k} = {v}" for k, v in found.items())])
        + "\n"
    )
