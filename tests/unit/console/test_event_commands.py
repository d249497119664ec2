"""`mizan check`, `mizan send` and `mizan simulate` as a person at the desk meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/agencies/tax",
    "type": "ir.egov.visit.recorded.v1",
    "time": "2020-05-01T10:00:00+04:30",
    "data": {"visit_id": "v-1", "channel": "portal"},
}


@pytest.fixture
def mizan(tmp_path: Path):
    def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "console.main", *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={"MIZAN_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
            | environment,
        )

    return run


def ndjson(*documents: object) -> bytes:
    return b"".join(
        (document if isinstance(document, bytes) else json.dumps(document).encode()) + b"\n" for document in documents
    )


def bad(**data: object) -> dict[str, object]:
    return GOOD | {"data": GOOD["data"] | data}


def test_a_good_file_passes_quietly(mizan) -> None:
    done = mizan("check", "-", stdin=ndjson(GOOD, b"", GOOD | {"id": "e-2"}))
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"2 accepted, 0 refused" in done.stderr


def test_each_bad_line_says_where_what_and_how_to_mend_it_in_both_languages(mizan) -> None:
    lines = ndjson(GOOD, bad(channel="fax"), b"{", bad(visit_id="0013542419"), GOOD | {"time": "yesterday"})
    done = mizan("check", "-", stdin=lines)
    assert done.returncode == 65
    said = done.stdout.decode().splitlines()
    assert [line.split(":")[0] for line in said] == ["line 2", "line 3", "line 4", "line 5"]
    assert "unknown_channel [channel]" in said[0]
    assert "Use one of the contract's channels" in said[0]
    assert "بستر ارائه" in said[0]
    assert "pii_leak [visit_id]" in said[2]
    assert "0013542419" not in done.stdout.decode() + done.stderr.decode()
    assert b"1 accepted, 4 refused" in done.stderr


def test_the_same_as_one_json_document(mizan) -> None:
    done = mizan("check", "-", "--json", stdin=ndjson(GOOD, bad(channel="fax")))
    document = json.loads(done.stdout)
    assert (document["accepted"], document["refused"]) == (1, 1)
    assert document["errors"][0]["line"] == 2
    assert document["errors"][0]["reason_code"] == "unknown_channel"
    assert document["errors"][0]["field"] == "channel"
    assert set(document["errors"][0]["fix"]) == {"en", "fa"}


def test_an_agency_that_is_named_must_be_the_source(mizan) -> None:
    assert mizan("check", "-", "--agency", "tax", stdin=ndjson(GOOD)).returncode == 0
    done = mizan("check", "-", "--agency", "post", stdin=ndjson(GOOD))
    assert done.returncode == 65
    assert b"source_mismatch" in done.stdout
    assert mizan("check", "-", "--agency", "Post", stdin=ndjson(GOOD)).returncode == 2


def test_one_id_with_two_contents_is_a_conflict_and_twice_the_same_is_not(mizan) -> None:
    done = mizan("check", "-", stdin=ndjson(GOOD, GOOD, bad(channel="phone")))
    assert done.returncode == 65
    assert done.stdout.startswith(b"line 3: id_conflict")


def test_a_file_that_is_not_there_is_a_usage_error(mizan) -> None:
    assert mizan("check", "nowhere.ndjson").returncode == 2


def test_sending_without_a_login_says_where_to_get_one(mizan) -> None:
    done = mizan("send", "-", "--agency", "tax", stdin=ndjson(GOOD))
    assert done.returncode == 2
    assert b"mizan agency add tax" in done.stderr


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.json").write_text(
        json.dumps({"agency_id": "tax", "bootstrap": "127.0.0.1:1", "security_protocol": "PLAINTEXT"})
    )
    return folder


def test_a_bad_line_stops_the_whole_file_before_anything_is_kept(mizan, bundle: Path, tmp_path: Path) -> None:
    lines = ndjson(GOOD, bad(channel="fax"))
    done = mizan("send", "-", "--agency", "tax", "--bundle", str(bundle), "--json", stdin=lines)
    assert done.returncode == 65
    assert json.loads(done.stdout) == {"sent": 0, "already_sent": 0, "refused": 1}
    assert not (tmp_path / "home").exists()


def test_without_a_broker_the_events_are_kept_and_the_exit_says_try_again(mizan, bundle: Path, tmp_path: Path) -> None:
    done = mizan("send", "-", "--agency", "tax", "--bundle", str(bundle), "--json", stdin=ndjson(GOOD))
    assert done.returncode == 75
    assert json.loads(done.stdout)["spooled"] == 1
    kept = list((tmp_path / "home" / "agencies" / "tax" / "spool" / "files").glob("*/*.ndjson"))
    assert [path.read_bytes() for path in kept] == [ndjson(GOOD)]


def test_simulating_into_a_folder_writes_events_and_catalogue(mizan, tmp_path: Path) -> None:
    arguments = ["simulate", "qom-1399-h1", "--scale", "0.00002", "--json", "--to"]
    document = json.loads(mizan(*arguments, "all").stdout)
    assert document["agencies"] == 54
    assert {path.suffix for path in (tmp_path / "all").iterdir()} == {".csv", ".ndjson"}
    assert mizan(*arguments, "parts", "--months", "1399-01..1399-03").returncode == 0
    for path in (tmp_path / "parts").glob("*.ndjson"):
        assert (tmp_path / "all" / path.name).read_bytes().startswith(path.read_bytes())
    assert mizan("check", "all/qom-tax.ndjson").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere"],
        [],
        ["qom-1399-h1", "--month", "1399-07"],
        ["qom-1399-h1", "--months", "1399-03/1399-01"],
        ["qom-1399-h1", "--scale", "0"],
        ["qom-1399-h1", "--scale", "2"],
        ["qom-1399-h1"],
    ],
)
def test_what_cannot_be_simulated_is_a_usage_error(mizan, arguments: list[str]) -> None:
    assert mizan("simulate", *arguments).returncode == 2


def test_the_scenarios_are_listed(mizan) -> None:
    names = [entry["name"] for entry in json.loads(mizan("simulate", "--list", "--json").stdout)]
    assert names == [
        "qom-1399-h1",
        "national-window-1402",
        "national-evaluation-1397",
        "tehran-service-desk-1398",
        "qom-districts-1398",
    ]
