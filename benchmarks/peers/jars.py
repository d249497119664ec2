"""The jars that a peer in a virtual machine of Java needs: var/bench/peers/<name>, fetched once.

Maven resolves what ``<name>.xml`` asks for; ``<name>.sha256`` says exactly which files may come out of it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.environment import HERE, ROOT
from broker.jars import COPY_GOAL


def jars_of(name: str) -> Path:
    """The folder of these jars, each the pinned one. CalledProcessError where Maven fails, an exit where it errs."""
    folder = ROOT / "var" / "bench" / "peers" / name
    lines = (HERE / f"{name}.sha256").read_text(encoding="ascii").splitlines()
    pinned = {jar: digest for digest, jar in (line.split() for line in lines)}
    if _digests(folder) != pinned:
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory() as work:
            shutil.copy(HERE / f"{name}.xml", Path(work) / "pom.xml")
            call = ["mvn", "-q", "-B", COPY_GOAL, f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
            subprocess.run(call, cwd=work, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        if wrong := sorted({jar for jar, _ in _digests(folder).items() ^ pinned.items()}):
            sys.exit(f"Maven delivered jars other than the pinned ones: {', '.join(wrong)}")
    return folder


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")}
