"""docs/runbooks/incidents.md, followed word for word: what leaked is stopped, what is out is out of service."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from faults.canaries import Needles, sweep
from landing_stage import Stage, topic, visit
from planted_home import records_of

from contracts.errors import UsageError
from producers import Agency
from warehouse.published import manifest, open_published

pytestmark = pytest.mark.integration
PAGE = Path(__file__).parents[2] / "docs" / "runbooks" / "incidents.md"
PERSON = "0499370899"


def follow(stage: Stage, heading: str, given: Mapping[str, str], kinds: tuple[str, ...] = ("",)) -> None:
    """Run what stands between the fences under a heading, line by line; each must end well."""
    section = PAGE.read_text("utf-8").split(f"\n# {heading}\n")[1].split("\n# ")[0]
    fenced = re.findall(r"```(\w*)\n(.*?)```", section, re.DOTALL)
    assert [kind for kind, _ in fenced] == list(kinds)
    for kind, text in fenced:
        filled = re.sub(r"\b[A-Z]{2,}\b", lambda word: given.get(word[0], word[0]), text)
        if kind == "python":
            environment = {**stage.environment, "PATH": "/usr/bin:/bin"}
            done = subprocess.run(
                [sys.executable, "-c", filled], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            continue
        for line in filled.strip().splitlines():
            words, environment = shlex.split(line), {}
            while "=" in words[0]:
                name, _, environment[name] = words.pop(0).partition("=")
            if words[0] == "mv":
                shutil.move(words[1], words[2])
            elif words[0] == "mizan":
                code, out, err = stage.run(*words[1:], **environment)
                assert code == 0, (line, out, err)
            else:
                assert words[:2] == ["systemctl", "stop"]  # the operator's own way to stop Airflow


def test_a_leaked_login_is_dead_and_the_agency_goes_on_with_a_new_one(stage: Stage, tmp_path: Path) -> None:
    agency = stage.agency()
    stage.send(agency, [visit(agency, "e-1")])
    code, _, err = stage.run("agency", "rotate", agency, "--out", str(tmp_path / "leaked"))
    assert code == 0, err
    code, _, err = stage.run("land", "--until-empty")
    assert code == 0, err
    follow(stage, "An agency's login leaked", {"AGENCY": agency, "BUNDLE": str(tmp_path / "new")})
    when = dt.datetime(2020, 4, 1, 12, tzinfo=dt.UTC)
    with Agency.from_bundle(tmp_path / "new") as reporting:
        reporting.visited(visit_id="v-1", channel="portal", time=when)
    leaked = Agency.from_bundle(tmp_path / "leaked")
    with pytest.raises(UsageError, match="authentication failed"):
        leaked.visited(visit_id="v-2", channel="portal", time=when)


def test_a_disclosive_version_is_out_of_service_and_no_later_one_repeats_it(stage: Stage, tmp_path: Path) -> None:
    agency = stage.agency()
    stage.send(agency, [visit(agency, f"e-{n}") for n in range(12)])  # twelve persons: above ten, below thirty
    code, _, err = stage.run("run")
    assert code == 0, err
    shown = "SELECT count(*) FROM marts.monthly_users WHERE active_users = 12"
    with open_published(stage.settings, "public") as connection:
        assert connection.execute(shown).fetchone()[0] > 0
    withdrawn = tmp_path / "withdrawn"
    given = {"HOME": str(stage.settings.home), "WITHDRAWN": str(withdrawn)}
    follow(stage, "A disclosive release was published", given)
    assert (withdrawn / "CURRENT.json").exists()
    found = manifest(stage.settings, "public")
    assert found is not None
    assert found.versions == [2]
    with open_published(stage.settings, "public") as connection:
        assert connection.execute(shown).fetchone() == (0,)
        assert connection.execute(
            "SELECT count(*) FROM marts.restatements WHERE '12' IN (old_value, new_value)"
        ).fetchone() == (0,)


def test_personal_data_is_gone_from_kafka_and_the_lake_still_holds(stage: Stage, tmp_path: Path) -> None:
    agency = stage.agency(partitions=1)
    bad = visit(agency, "e-2", data={"visit_id": PERSON})
    stage.send(agency, [visit(agency, "e-1"), bad, visit(agency, "e-3")])
    assert stage.run("land", "--until-empty")[0] == 0
    (row,) = stage.rows("quarantine", 'SELECT partition, "offset", reason_code FROM t')
    given = {
        "AGENCY": agency, "DIR": str(tmp_path / "backup"), "TOPIC": topic(agency), "PARTITION": str(row[0]),
        "OFFSET": str(row[1]), "REASON": row[2], "NAME": "officer", "NOTE": "'deleted from Kafka'",
    }  # fmt: skip
    person = Needles([PERSON])
    assert any(person.in_bytes(part) for part in records_of(stage.settings, topic(agency)))
    follow(stage, "Personal data in Kafka found", given, ("", "python", ""))
    assert not any(person.in_bytes(part) for part in records_of(stage.settings, topic(agency)))
    assert sorted(stage.ids(agency)) == ["e-1", "e-3"]
    assert sweep(stage.settings.home, person) == []
    assert sweep(tmp_path / "backup", person) == []
    stage.send(agency, [visit(agency, "e-4")])
    code, _, err = stage.run("land", "--until-empty")
    assert code == 0, err
    assert "e-4" in stage.ids(agency)
