"""What Mizan is made of: the list of components, their licences, the weaknesses known of them (checklist S24, S25)."""

import datetime as dt
import importlib.util
import json
import sys
import threading
import tomllib
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TODAY = dt.date(2027, 1, 1)
LOCK = 'good==1.0 \\\n    --hash=sha256:00\nThe_Weak[extra]==2.1.0 ; python_version > "3"\n'
WEAK = {
    "id": "PYSEC-1",
    "aliases": ["CVE-1"],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "the-weak"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1.1"}]}],
        }
    ],
}


def script(name: str):
    spec = importlib.util.spec_from_file_location(f"supply_{name}", ROOT / "supply" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


advisories, bom, licences = script("advisories"), script("bom"), script("licences")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


def test_every_locked_release_is_asked_about():
    found = advisories.locked((ROOT / "requirements.lock").read_text())
    assert len(found) == len(set(found)) > 150
    assert {"duckdb", "apache-airflow", "kafka-python", "pyyaml"} <= {name for name, _ in found}


@pytest.mark.parametrize(
    ("events", "is_weak"),
    [
        ([{"introduced": "0"}], True),
        ([{"introduced": "0"}, {"fixed": "2.1.1"}], True),
        ([{"introduced": "0"}, {"fixed": "2.1.0"}], False),
        ([{"introduced": "2.2"}], False),
        ([{"introduced": "1"}, {"last_affected": "2.1.0"}], True),
        ([{"introduced": "1"}, {"last_affected": "2.0.9"}], False),
        ([{"fixed": "1.5"}, {"introduced": "2.0"}, {"introduced": "0"}], True),
    ],
)
def test_a_release_is_weak_by_the_last_event_before_it(events, is_weak, tmp_path, lock, capsys):
    affected = [{"package": WEAK["affected"][0]["package"], "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
    (tmp_path / "osv").mkdir()
    (tmp_path / "osv" / "PYSEC-1.json").write_text(json.dumps(WEAK | {"affected": affected}))
    assert advisories.main(str(tmp_path / "osv"), lock) == int(is_weak)
    assert ("the-weak 2.1.0: CVE-1, PYSEC-1" in capsys.readouterr().err) == is_weak


def test_of_two_releases_for_different_pythons_each_is_judged():
    both = [("the-weak", "2.1.1"), ("the-weak", "2.1.0")]
    assert [release for release, _ in advisories.in_records([WEAK], both)] == [("the-weak", "2.1.0")]
    assert [release for release, _ in advisories.in_records([WEAK], both[::-1])] == [("the-weak", "2.1.0")]


def test_records_in_a_zip_file_are_read_and_those_withdrawn_are_not(tmp_path, lock):
    for name, record, code in (("a.zip", WEAK, 1), ("b.zip", WEAK | {"withdrawn": "2026-01-01T00:00:00Z"}, 0)):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("PYSEC-1.json", json.dumps(record))
        assert advisories.main(str(tmp_path / name), lock) == code


def test_where_the_source_cannot_be_asked_nothing_is_said_to_be_well(tmp_path, lock, capsys):
    (tmp_path / "no.zip").write_text("no zip file")
    for source in ("http://127.0.0.1:9", str(tmp_path / "no.zip"), str(tmp_path / "absent")):
        assert advisories.main(source, lock) == 75
        said = capsys.readouterr()
        assert "NOTHING WAS CHECKED" in said.err
        assert said.out == ""


def test_a_service_is_asked_once_about_all_releases(lock, capsys):
    asked = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self):
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            asked.append((self.path, queries))
            answer = {"results": [{"vulns": [{"id": "PYSEC-1"}]} if q["version"] == "2.1.0" else {} for q in queries]}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever).start()
    try:
        assert advisories.main(f"http://127.0.0.1:{server.server_port}", lock) == 1
    finally:
        server.shutdown()
        server.server_close()
    assert "the-weak 2.1.0: PYSEC-1" in capsys.readouterr().err
    ((path, queries),) = asked
    assert path == "/v1/querybatch"
    assert [query["package"]["name"] for query in queries] == ["good", "the-weak"]


def test_an_exception_holds_for_one_component_until_its_day():
    found = [(("the-weak", "2.1.0"), {"PYSEC-1", "CVE-1"})]
    for until, component, said in (
        (TODAY, "The-Weak", []),
        (
            TODAY - dt.timedelta(days=1),
            "the-weak",
            ["the-weak 2.1.0: CVE-1, PYSEC-1; its exception ended on 2026-12-31"],
        ),
        (TODAY, "another", ["the-weak 2.1.0: CVE-1, PYSEC-1"]),
    ):
        policy = {"advisory": [{"id": "CVE-1", "component": component, "until": until}]}
        assert list(advisories.judged(found, policy, TODAY)) == said


def component(name: str, *licences: dict) -> dict:
    return {"name": name, "version": "1", "purl": f"pkg:pypi/{name}@1", "licenses": list(licences)}


def test_a_licence_that_nobody_allowed_is_refused_and_its_exception_ends():
    policy = {
        "allowed": ["MIT", "BSD"],
        "licence": [{"component": "a_b", "until": TODAY}, {"component": "gone", "until": TODAY}],
    }
    given = [
        component("fine", {"license": {"id": "GPL-2.0"}}, {"license": {"name": "BSD"}}),
        component("both", {"expression": "MIT AND AGPL-3.0-only"}),
        component("either", {"expression": "MIT OR AGPL-3.0-only"}),
        component("silent"),
        component("A.B", {"license": {"id": "LGPL-2.1-only"}}),
    ]
    assert list(licences.refused(given, policy, TODAY)) == [
        "both 1: MIT AND AGPL-3.0-only: not among those allowed",
        "silent 1: no licence is named: not among those allowed",
        "gone: nothing needs this exception any more",
    ]
    late = list(licences.refused(given, policy, TODAY + dt.timedelta(days=1)))
    assert "A.B 1: LGPL-2.1-only: its exception ended on 2027-01-01" in late


def test_every_exception_of_the_policy_says_why_and_ends_within_two_years():
    policy = tomllib.loads((ROOT / "supply" / "policy.toml").read_text())
    exceptions = [*policy.get("licence", ()), *policy.get("advisory", ())]
    assert exceptions
    for one in exceptions:
        assert len(one["why"]) > 20
        assert one["until"] <= dt.date(2028, 12, 31)


def test_a_jar_is_listed_by_what_it_says_of_itself(tmp_path):
    jar = tmp_path / "thing-core-1.2.3.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/maven/org.thing/thing-core/pom.properties", "groupId=org.thing\nversion=1.2.3\n")
    named = bom.jar_component(jar)
    assert (named["purl"], named["group"]) == ("pkg:maven/org.thing/thing-core@1.2.3", "org.thing")
    assert len(named["hashes"][0]["content"]) == 64
    with zipfile.ZipFile(tmp_path / "kafka_2.13-4.3.1.jar", "w"):
        pass
    assert bom.jar_component(tmp_path / "kafka_2.13-4.3.1.jar")["purl"] == "pkg:generic/kafka_2.13@4.3.1"


def test_a_list_without_the_jars_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        bom.bom(tmp_path, tmp_path)
