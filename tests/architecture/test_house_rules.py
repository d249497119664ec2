"""Rules of the house that a machine can see."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def tracked() -> list[str]:
    answer = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip("not a git checkout: nothing is tracked")
    return answer.stdout.splitlines()


def test_the_lock_holds_no_address():
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_no_lock_that_names_registry_hosts_is_tracked():
    assert not [path for path in tracked() if Path(path).name in {"uv.lock", "pylock.toml"}]


def test_every_folder_with_a_package_is_in_the_wheel():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(ROOMS) | ({"benchmarks"} & packages)


def test_no_room_has_a_name_that_says_nothing():
    nothing = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [path for path in tracked() if nothing & {part.removesuffix(".py") for part in Path(path).parts}]


def test_no_source_file_is_longer_than_four_hundred_lines():
    long = [
        path
        for path in tracked()
        if path.endswith((".py", ".sql"))
        and (ROOT / path).exists()
        and len((ROOT / path).read_text().splitlines()) > 400
    ]
    assert not long


def test_room_names_are_taken_by_no_other_installed_package():
    owners = packages_distributions()
    taken = {room: set(owners.get(room, [])) - {"egov-mizan"} for room in ROOMS}
    assert not {room: owner for room, owner in taken.items() if owner}


def test_the_agency_sdk_imports_without_the_platform():
    platform = ("airflow", "great_expectations", "duckdb", "deltalake", "pyarrow", "pandas", "confluent_kafka")
    script = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {platform!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import producers
from producers import Agency
from console.main import main
from console import commands
import typer
commands.register(typer.Typer())
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_the_command_line_starts_quickly_enough_to_be_typed():
    modules = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, typer\nfrom console import commands\ncommands.register(typer.Typer())\nprint(*sys.modules)",
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout.split()
    heavy = {"airflow", "great_expectations", "duckdb", "deltalake", "pyarrow", "pandas"}
    assert not heavy & set(modules)
