"""Spark's own environment: a Python with pyspark alone, and the two jars that read Delta tables.

``python -m warehouse.spark_environment`` makes it beside Mizan's packages (``<sys.prefix>/share/spark-4.1.4``), which
``make spark`` calls. Nothing of it is imported into Mizan. pip proves the packages by spark-requirements.txt, and the
digests below say which jars may come out of Maven.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from contracts.errors import MizanError, UsageError
from warehouse.spark import environment

COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
# The newest Delta Lake reads with Spark 4.1 alone: with pyspark 4.3 it ends in NoSuchMethodError.
JARS = {
    "io.delta:delta-spark_2.13:4.3.1": "ebf35a4383f0a653c3ee3c7882c0edcac2f846be31ac61af4b96ccfaaf36c171",
    "io.delta:delta-storage:4.3.1": "577c12c7e371be4c041714fb48e88ad86e3c3512beea2bdaffbe7a4debf79718",
}


def make(folder: Path) -> Path:
    """Make the environment at ``folder``, whole or not at all; return ``folder``. Does nothing where it is there.

    Raises UsageError without Java or Maven, MizanError where a package or a jar cannot be had or is not the known one.
    """
    if (folder / "ready").exists():
        return folder
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise UsageError(f"{program} is needed for Spark", hint="mizan doctor names what is missing")
    shutil.rmtree(folder, ignore_errors=True)  # one that was not finished
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], "make an environment")
    pins = Path(__file__).with_name("spark-requirements.txt")
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(folder / "bin" / "python")]
    _run([*uv, "--require-hashes", "-r", str(pins)], "install pyspark")
    with tempfile.TemporaryDirectory() as work:
        for artifact, digest in JARS.items():
            _run(
                ["mvn", "-q", "-B", COPY_GOAL, f"-Dartifact={artifact}", f"-DoutputDirectory={folder / 'jars'}"],
                f"fetch {artifact}",
                cwd=work,
            )
            _, name, version = artifact.split(":")
            jar = folder / "jars" / f"{name}-{version}.jar"
            if hashlib.sha256(jar.read_bytes()).hexdigest() != digest:
                raise MizanError(f"Maven delivered another {jar.name} than the pinned one")
    (folder / "ready").touch()
    return folder


def _run(call: Sequence[str], purpose: str, cwd: str | None = None) -> None:
    done = subprocess.run(call, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise MizanError(f"could not {purpose}: {said[-1] if said else 'no reason given'}")


def main() -> None:
    """``python -m warehouse.spark_environment``: make it, say where."""
    try:
        sys.stdout.write(f"{make(environment())}{os.linesep}")
    except MizanError as error:
        sys.stderr.write(f"warehouse.spark_environment: {error}{os.linesep}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
