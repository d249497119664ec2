"""The SDK's install has kafka-python and no platform: everything an agency uses must work without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BLOCKED = """
import importlib.abc, sys
PLATFORM = {
    "airflow", "confluent_kafka", "cryptography", "deltalake", "duckdb", "great_expectations", "jinja2", "numpy",
    "pandas", "psutil", "pyarrow", "pytz", "sqlglot",
}
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in PLATFORM:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""


def without_platform(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *arguments], capture_output=True, text=True, check=False
    )


def test_the_sdk_and_all_of_its_files_import_without_the_platform() -> None:
    done = without_platform(
        """
import pkgutil, producers, contracts
from importlib import import_module
for room in (producers, contracts):
    for found in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        import_module(found.name)
"""
    )
    assert done.returncode == 0, done.stderr


def test_an_agency_spools_without_the_platform(tmp_path: Path) -> None:
    done = without_platform(
        """
from producers import Agency
agency = Agency("tax", "127.0.0.1:1", spool=sys.argv[1])
agency.visited(visit_id="v-1", channel="portal")
agency.close()
""",
        str(tmp_path / "spool"),
    )
    assert done.returncode == 0, done.stderr


def test_check_and_simulate_to_files_run_without_the_platform(tmp_path: Path) -> None:
    run = "sys.argv = ['mizan', *sys.argv[1:]]\nfrom console.main import main\nmain()\n"
    done = without_platform(run, "simulate", "qom-1399-h1", "--scale", "0.00001", "--to", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    done = without_platform(run, "check", str(tmp_path / "qom-tax.ndjson"))
    assert done.returncode == 0, done.stderr
    assert "0 refused" in done.stderr


def test_a_command_of_the_platform_says_what_it_needs(tmp_path: Path) -> None:
    run = "sys.argv = ['mizan', *sys.argv[1:]]\nfrom console.main import main\nmain()\n"
    done = without_platform(run, "rejects", "--agency", "tax")
    assert done.returncode == 2
    assert "this command needs the platform" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_sdk_opens_no_kafka_client() -> None:
    done = without_platform("import producers\nassert 'kafka' not in sys.modules\n")
    assert done.returncode == 0, done.stderr
