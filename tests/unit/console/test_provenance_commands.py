"""`mizan explain` and `mizan claim check` as an analyst calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.publish import publish
from warehouse.published import open_published

# tests/ is no package: the oracle and the lake that is filled with rows are found by their folders.
sys.path.insert(0, str(Path(__file__).parents[1] / "transforms"))
sys.path.insert(0, str(Path(__file__).parents[2] / "oracle"))
import random_events
from lake_bench import LakeBench

CLAIM = """
source: {{id: a-text, title: {{fa: متن, en: A text}}, period: "1399"}}
claims:
  - id: users
    says: {{fa: کاربران, en: Users}}
    quoted: {{value: {said}, unit: count}}
    kind: value
    figures:
      - table: monthly_users
        key: {{calendar: jalali, month: "{month}", scope: national, scope_id: IR, channel: all}}
        measure: registered_users
    expect: confirmed
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    bench = LakeBench(tmp_path_factory.mktemp("published"))
    bench.land("b1", random_events.world(5, 80).events)
    with bench.build() as connection:
        bench.update(connection)
    publish(bench.settings)
    return bench.settings


@pytest.fixture(scope="module")
def users(home):
    """A month and its registered users."""
    with open_published(home) as connection:
        (found,) = connection.execute(
            "SELECT month, registered_users FROM marts.monthly_users "
            "WHERE calendar = 'jalali' AND scope_key = 'national:IR' AND channel = 'all' ORDER BY month DESC LIMIT 1"
        ).fetchall()
    return found


@pytest.fixture
def mizan(home, tmp_path):
    def run(*arguments, at=home.home):
        return subprocess.run(
            [sys.executable, "-m", "console.main", *map(str, arguments)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "MIZAN_HOME": str(at)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_checked_claim_is_one_document_and_ends_with_0_or_1(mizan, users, tmp_path):
    month, count = users
    for said, code, verdict in ((count, 0, "confirmed"), (count + 1, 1, "differs")):
        (tmp_path / "claims.yaml").write_text(CLAIM.format(said=said, month=month), "utf-8")
        ended = mizan("claim", "check", "claims.yaml", "--json")
        (claim,) = json.loads(ended.stdout)["texts"][0]["claims"]
        assert (ended.returncode, claim["verdict"], claim["recomputed"]) == (code, verdict, count)
        assert claim["figures"][0]["explain"].startswith("mizan explain monthly_users calendar=jalali")


def test_a_checked_claim_is_a_table_for_people(mizan, users, tmp_path):
    (tmp_path / "claims.yaml").write_text(CLAIM.format(said=users[1], month=users[0]), "utf-8")
    ended = mizan("claim", "check", "claims.yaml")
    assert "confirmed" in ended.stdout
    assert "with another verdict than expected: 0" in ended.stderr


@pytest.mark.parametrize(
    ("text", "code", "complaint"),
    [("claims: [", 65, "claims.yaml"), ("source: {id: a}\nclaims: []", 65, "title is missing")],
)
def test_a_claim_file_that_cannot_be_read_ends_with_65(mizan, tmp_path, text, code, complaint):
    (tmp_path / "claims.yaml").write_text(text, "utf-8")
    ended = mizan("claim", "check", "claims.yaml")
    assert (ended.returncode, ended.stdout) == (code, "")
    assert complaint in ended.stderr


def test_what_is_asked_wrongly_ends_with_2(mizan, users, tmp_path):
    for asked in (
        ("claim", "check", "no-such-text"),
        ("claim", "check", "all", "--scale", "0"),
        ("explain", "monthly_user"),
        ("explain", "monthly_users", "month"),
        ("explain", "monthly_users", "month=1300-01"),
    ):
        ended = mizan(*asked)
        assert (ended.returncode, ended.stdout) == (2, ""), asked
    assert mizan("explain", "monthly_users", at=tmp_path / "empty").returncode == 2


def test_an_explained_figure_is_one_document_and_a_page_for_people(mizan, users):
    month, count = users
    asked = ("explain", "monthly_users", f"month={month}", "scope_key=national:IR", "--measure", "registered_users")
    document = json.loads(mizan(*asked, "--json").stdout)
    assert document["key"]["channel"] == "all"
    assert [figure["value"] for figure in document["figures"]] == [count]
    page = mizan(*asked)
    assert page.returncode == 0
    assert "registered_users counted again from them: the same" in page.stdout
