"""The jars of Apache Kafka: where they are, and how they get there.

``python -m broker.jars`` puts them beside the Python environment (``<sys.prefix>/share/kafka-4.3.1``), which
``make setup`` calls. Where that was not done, the first ``mizan broker up`` fetches them below MIZAN_HOME.
Maven resolves; ``kafka-jars.sha256`` says exactly which 46 files may come out of it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

from contracts.errors import MizanError, UsageError
from contracts.settings import Settings

KAFKA_VERSION = "4.3.1"
FOLDER = f"kafka-{KAFKA_VERSION}"
# Maven's own default for this plugin changes with the Maven release; a pinned one fetches the same everywhere.
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
POM = f"""\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>ir.egov.mizan</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"""


def shared_folder() -> Path:
    """Where set-up puts the jars: part of the Python environment, shared by every MIZAN_HOME."""
    return Path(sys.prefix) / "share" / FOLDER


def find_jars(settings: Settings) -> Path | None:
    """The folder of jars already on this machine, or None."""
    for folder in (shared_folder(), settings.home / FOLDER):
        if folder.is_dir():
            return folder
    return None


def find_or_fetch(settings: Settings) -> Path:
    """The folder of jars; fetched below MIZAN_HOME where there is none. Errors as ``fetch``."""
    found = find_jars(settings)
    if found is not None:
        return found
    return fetch(settings.home / FOLDER)


def fetch(folder: Path) -> Path:
    """Have Maven put the jars into ``folder``, all of them or none; return ``folder``.

    Does nothing where the folder is there. Raises UsageError without Maven, MizanError where Maven
    fails or a jar is not the one we know.
    """
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise UsageError("Maven (mvn) is needed once, to fetch Apache Kafka", hint="mizan doctor names what is missing")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as work:
        draft = Path(work) / folder.name
        (Path(work) / "pom.xml").write_text(POM, encoding="utf-8")
        call = [maven, "-q", "-B", COPY_GOAL, f"-DoutputDirectory={draft}", "-DincludeScope=runtime"]
        done = subprocess.run(call, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
            raise MizanError(f"Maven could not fetch Apache Kafka: {reason[0] if reason else 'no reason given'}")
        _check(draft)
        try:
            draft.rename(folder)
        except OSError:
            # Somebody else was faster: their folder passed the same check.
            if not folder.is_dir():
                raise
    return folder


def expected_jars() -> dict[str, str]:
    """File name to SHA-256 (hexadecimal) of every jar, as pinned."""
    lines = resources.files("broker").joinpath("kafka-jars.sha256").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _check(folder: Path) -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")}
    expected = expected_jars()
    if found != expected:
        names = sorted({name for name, _ in found.items() ^ expected.items()})
        raise MizanError(f"Maven delivered jars other than the pinned ones: {', '.join(names)}")


def main() -> None:
    """``python -m broker.jars``: fetch beside the Python environment, say where."""
    try:
        sys.stdout.write(f"{fetch(shared_folder())}{os.linesep}")
    except MizanError as error:
        sys.stderr.write(f"broker.jars: {error}{os.linesep}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
