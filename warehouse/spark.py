"""Spark in a process of its own, from an environment of its own: what Mizan asks of it goes over two pipes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contracts.errors import MizanError, UsageError

_NAME_OF_ERROR = re.compile(r"\[[A-Z0-9_.]+\]")
SPARK_VERSION = "4.1.4"
FOLDER = f"spark-{SPARK_VERSION}"
# Without these Delta tables cannot be read, or instants and stored types would be other ones than DuckDB's.
_NEEDED = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
}
# For a machine alone. Who has a cluster names it in spark-defaults.conf ($SPARK_CONF_DIR): none of them is set then.
_ALONE = {
    "spark.master": "local[*]",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": "8",
    "spark.databricks.delta.snapshotPartitions": "2",
}


class SparkFailed(MizanError):
    """Spark refused a statement or went away; what was built before stands."""


def environment() -> Path:
    """Where Spark's environment is: part of Mizan's own, shared by every MIZAN_HOME."""
    return Path(sys.prefix) / "share" / FOLDER


def python() -> Path:
    """Spark's own Python. Raises UsageError where the environment was not made."""
    found = environment() / "bin" / "python"
    if not (environment() / "ready").exists():
        raise UsageError(
            f"SPARK_MISSING: MIZAN_ENGINE is spark, and there is no Spark at {environment()}",
            hint="make spark, or: python -m warehouse.spark_environment; or MIZAN_ENGINE=duckdb",
        )
    return found


class Spark:
    """One running session."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def delta(self, name: str, uri: str, version: int) -> None:
        """Show one version of a Delta table under a name."""
        self.ask(do="delta", name=name, uri=uri, version=version)

    def parquet(self, name: str, folders: list[str], schema: str) -> None:
        """Show folders of Parquet files, whose columns ``schema`` names, as one relation."""
        self.ask(do="parquet", name=name, paths=folders, schema=schema)

    def view(self, name: str, sql: str) -> None:
        """Let a name stand for a SELECT in Spark's words."""
        self.ask(do="view", name=name, sql=sql)

    def write(self, sql: str, folder: Path) -> None:
        """Run a SELECT in Spark's words into a folder of Parquet files."""
        self.ask(do="write", sql=sql, path=str(folder))

    def about(self) -> Mapping[str, Any]:
        """Version, master and parallelism."""
        found: Mapping[str, Any] = self.ask(do="about")
        return found

    def ask(self, **request: Any) -> Any:
        """Send one request and wait for its answer. Raises SparkFailed with Spark's own name of the error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SparkFailed("Spark went away", hint=f"see {self._log}")
        answer = json.loads(line)
        if "failed" in answer:
            # Its words may quote a row; the log, in a folder closed to others, has them all.
            named = _NAME_OF_ERROR.search(answer["failed"])
            raise SparkFailed(f"Spark refused: {named[0] if named else 'no name given'}", hint=f"see {self._log}")
        return answer["is"]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Spark]:
    """A session whose own files and log stay below ``folder``. UsageError where there is no Spark."""
    interpreter = python()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "spark.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(interpreter), "-I", str(Path(__file__).with_name("spark_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env=_variables(),
        )
        try:
            spark = Spark(process, log)
            assert process.stdin is not None
            process.stdin.write(json.dumps(_configuration(folder)) + "\n")
            spark.about()
            yield spark
        finally:
            process.communicate()  # the end of its input is its end


def _variables() -> dict[str, str]:
    # Another Spark of this machine's would be started in the place of ours.
    variables = {name: value for name, value in os.environ.items() if name != "SPARK_HOME"}
    return {"SPARK_LOCAL_IP": "127.0.0.1"} | variables if _is_alone() else variables


def _is_alone() -> bool:
    return not os.environ.get("SPARK_CONF_DIR")


def _configuration(folder: Path) -> dict[str, str]:
    jars = sorted(str(jar) for jar in (environment() / "jars").glob("*.jar"))
    own = {"spark.local.dir": str(folder / "tmp"), "spark.sql.warehouse.dir": str(folder / "warehouse")}
    return {"spark.jars": ",".join(jars), **_NEEDED, **((_ALONE | own) if _is_alone() else {})}
