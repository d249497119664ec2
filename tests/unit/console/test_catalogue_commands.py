"""The commands as an operator calls them: documents, exit codes, files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MIZAN = [sys.executable, "-m", "console.main"]


@pytest.fixture
def mizan(tmp_path):
    def run(*arguments, **environment):
        return subprocess.run(
            [*MIZAN, *map(str, arguments)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "MIZAN_HOME": str(tmp_path / "home"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_catalogue_goes_in_and_comes_out_again(mizan, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "places.csv").write_text("place_id,kind,parent_id,name_fa,name_en\nqom,province,,قم,Qom\n", "utf-8")
    loaded = json.loads(mizan("catalogue", "load", folder, "--json").stdout)
    assert loaded["tables"] == {"places": {"added": 1, "changed": 0, "removed": 0, "unchanged": 0}}
    listed = json.loads(mizan("catalogue", "ls", "--json").stdout)
    assert listed == [{"table": "places", "register": "catalogue", "rows": 1}]
    assert mizan("catalogue", "export", tmp_path / "out").returncode == 0
    assert "qom,province,,قم,Qom,," in (tmp_path / "out" / "places.csv").read_text("utf-8")


def test_a_bad_file_ends_with_65_and_names_the_line(mizan, tmp_path):
    (tmp_path / "places.csv").write_text("place_id,kind,parent_id,name_fa,name_en\nQOM,province,,,\n")
    ended = mizan("catalogue", "load", tmp_path)
    assert (ended.returncode, ended.stdout) == (65, "")
    assert "places.csv:2: place_id" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_import_writes_files_where_there_is_no_broker(mizan, tmp_path):
    out = tmp_path / "out"
    ended = mizan("import", "canada-service-inventory", "--as-events", "--scale", "0.00001", "--to", out, "--json")
    document = json.loads(ended.stdout)
    assert (document["agencies"], document["services"], document["declarations"]) == (41, 862, 4310)
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in out.glob("*.ndjson"))
    assert lines == document["declarations"] + document["transactions"]
    assert len(list(out.glob("*.ndjson"))) == 41
    assert mizan("catalogue", "load", out / "catalogue").returncode == 0
    assert not Path(tmp_path / "home" / "agencies").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--scale", "0.1"), ("--as-events", "--scale", "0"), ("--as-events", "--scale", "1e-999999999"), ("nowhere.csv",)],
)
def test_a_wrong_call_of_the_import_ends_with_2(mizan, arguments):
    assert mizan("import", "canada-service-inventory", *arguments).returncode == 2


def test_without_a_cluster_the_import_begins_nothing(mizan, tmp_path):
    ended = mizan("import", "canada-service-inventory")
    assert ended.returncode == 2
    assert "mizan broker up" in ended.stderr
    assert not (tmp_path / "home").exists()


def test_settings_are_shown_with_their_origin(mizan):
    shown = {s["name"]: s for s in json.loads(mizan("config", "show", "--json", MIZAN_MIN_CELL="12").stdout)}
    assert (shown["MIZAN_MIN_CELL"]["value"], shown["MIZAN_MIN_CELL"]["origin"]) == ("12", "environment")
    assert shown["MIZAN_CALENDAR"]["origin"] == "default"
    assert mizan("config", "show", MIZAN_MIN_CELLS="12").returncode == 2


def test_the_contract_is_printed_as_json_schema(mizan):
    schema = json.loads(mizan("contract", "--json").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "ir.egov.transaction.completed.v1" in mizan("contract").stdout


@pytest.fixture
def two_versions(mizan, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "places.csv").write_text(
        "place_id,kind,parent_id,name_fa,name_en,valid_from,valid_to\n"
        "qom,province,,قم,Qom,,\n"
        "kahak,district,qom,,Kahak,,2019-12-31\n"
        "kahak,district,,,Kahak,2020-01-01,\n",
        "utf-8",
    )
    assert mizan("catalogue", "load", folder).returncode == 0
    return mizan


def test_a_table_is_shown_with_its_versions_or_as_of_a_day(two_versions):
    rows = json.loads(two_versions("catalogue", "show", "places", "kahak", "--json").stdout)
    assert [(row["parent_id"], row["valid_from"]) for row in rows] == [("qom", None), (None, "2020-01-01")]
    rows = json.loads(two_versions("catalogue", "show", "places", "--as-of", "2019-06-01", "--json").stdout)
    assert [(row["place_id"], row["parent_id"]) for row in rows] == [("kahak", "qom"), ("qom", None)]
    shown = two_versions("catalogue", "show", "places", "--as-of", "2020-06-01")
    assert "قم" in shown.stdout
    assert "2019-12-31" not in shown.stdout
    assert "…" not in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("place",), "it has places, agencies"),
        (("places", "kahk"), "do you mean kahak?"),
        (("places", "--as-of", "1398-10-11"), "write 2020-01-01"),
        (("places", "--as-of", "yesterday"), "not an ISO date"),
        (("frameworks", "--as-of", "2020-01-01"), "leave --as-of out"),
    ],
)
def test_a_table_that_cannot_be_shown_so_ends_with_2(two_versions, arguments, told):
    ended = two_versions("catalogue", "show", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
