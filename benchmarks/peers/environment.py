"""An environment of its own for each program that is measured beside ours: var/bench/peers/<name>, made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def python_of(peer: str) -> Path:
    """The Python that has what ``<peer>.txt`` pins, hashes checked; ours where there is no such file."""
    wanted = HERE / f"{peer}.txt"
    if not wanted.exists():
        return Path(sys.executable)
    folder = ROOT / "var" / "bench" / "peers" / peer
    python = folder / "bin" / "python"
    made = folder / "made-of.txt"
    if not made.exists() or made.read_text() != wanted.read_text():
        environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
        for call in (
            ["venv", "-q", "--clear", "--python", sys.executable, str(folder)],
            ["pip", "install", "-q", "--require-hashes", "--python", str(python), "-r", str(wanted)],
        ):
            subprocess.run([sys.executable, "-m", "uv", *call], env=environment, check=True)
        made.write_text(wanted.read_text())
    return python
