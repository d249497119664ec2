"""Every block that a reader may copy out of README and docs is run, here or by a test that is named."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from doc_blocks import PAGES, ROOT, Block, blocks, missing

from contracts.event_contract import event_contract
from contracts.reference import AGENCY, example
from contracts.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

# Pages whose blocks other tests run word for word.
CLAIMED = {
    "docs/reference/events.md": "test_gateway_events.py::test_the_example_with_curl_on_the_agencies_page_is_accepted",
    "docs/runbooks/halts.md": "test_every_halt.py::test_every_halt_of_the_runbook_is_reached_by_a_test_that_follows_it",
    "docs/runbooks/incidents.md": (
        "test_incident_runbook.py::test_a_leaked_login_is_dead_and_the_agency_goes_on_with_a_new_one"
    ),
    "docs/runbooks/leaked-platform-key.md": (
        "test_leaked_keys.py::test_the_runbook_of_a_leaked_platform_key_changes_every_pid_and_no_figure"
    ),
    "docs/runbooks/leaked-transport-key.md": (
        "test_leaked_keys.py::test_the_runbook_of_a_leaked_transport_key_retires_it_and_flags_the_months"
    ),
}
# Pages that are run here, one after the other in one home: the tutorial last, it puts the broker away.
AT_THE_DESK = ("docs/agencies.md", "docs/monitoring.md", "docs/tutorial.md")
# Pages that ask a published home of all scenarios.
OF_ALL_SCENARIOS = ("docs/numbers.md", "docs/bi/README.md", "docs/bi/python.md")
FOUND = {str(page.relative_to(ROOT)): blocks(page) for page in PAGES}


@dataclass
class Desk:
    """A folder in which a reader types, with `mizan` and `python` of this environment, and the home in it."""

    folder: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def type(self, words: str, kind: str = "sh") -> str:
        """What a block prints, on both streams. It must end well."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith("MIZAN_")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        calls = {"python": [sys.executable, "-c", words], "sql": [sys.executable, "-c", ASK, words]}
        done = subprocess.run(
            calls.get(kind, ["bash", "-eu", "-o", "pipefail", "-c", words]),
            cwd=self.folder,
            env=bare | {"PATH": path} | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}"
        return done.stdout

    def follow(self, block: Block) -> None:
        said = self.type(block.text, block.kind)
        line = missing(block.prints, said)
        assert line is None, f"{block} does not print {line!r} but\n{said}"


ASK = """
import os, sys
from contracts.settings import Settings
from warehouse.published import open_published
with open_published(Settings.load(), "public") as published:
    rows = published.execute(sys.argv[1]).fetchall()
print(rows)
sys.exit(not rows)
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    desk = Desk(folder, folder / "var")
    desk.type("mizan init; mizan broker up")
    try:
        yield desk
    finally:
        desk.type("mizan gateway down; mizan broker down")


def prepare_an_agency(desk: Desk) -> None:
    """What the page for agencies takes for granted: a bundle, a gateway with a token, a file of events."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    desk.type(f"mizan agency add {AGENCY} --out bundle")
    token = desk.type(f"mizan gateway token add {AGENCY} --json 2>/dev/null")
    desk.type(f"mizan gateway up --port {port}")
    desk.environment |= {"GATEWAY": f"http://127.0.0.1:{port}", "TOKEN": json.loads(token)["token"]}
    kind = event_contract().types["ir.egov.transaction.completed.v1"]
    (desk.folder / "events.ndjson").write_text(json.dumps(example(kind)) + "\n")


@pytest.mark.parametrize("page", AT_THE_DESK)
def test_a_reader_at_the_desk_can_type_what_the_page_says(desk: Desk, page: str) -> None:
    if page == "docs/agencies.md":
        prepare_an_agency(desk)
    ours = [block for block in FOUND[page] if not block.run_by and not block.not_run]
    assert ours
    for block in ours:
        desk.follow(block)


@pytest.mark.parametrize("page", OF_ALL_SCENARIOS)
def test_a_reader_of_published_figures_can_type_what_the_page_says(
    scenarios_home: Settings, tmp_path: Path, page: str
) -> None:
    home = scenarios_home.home
    reader = Desk(tmp_path, home, {"MIZAN_HOME": str(home)})
    (tmp_path / "published").symlink_to(home / "published")
    for block in FOUND[page]:
        reader.follow(block)


def test_the_blocks_that_cannot_run_here_are_named_with_their_reason() -> None:
    not_run = [f"{block}: {block.not_run}" for listed in FOUND.values() for block in listed if block.not_run]
    if not_run:
        pytest.skip("; ".join(not_run))


def test_every_block_is_run_here_or_by_a_test_that_is_named() -> None:
    here = {*AT_THE_DESK, *OF_ALL_SCENARIOS}
    nobody, wrong = [], []
    for page, listed in FOUND.items():
        for block in listed:
            claim = block.run_by or CLAIMED.get(page)
            if claim is None:
                nobody += [] if page in here or block.not_run else [str(block)]
                continue
            file, _, name = claim.removeprefix("tests/integration/").partition("::")
            path = ROOT / "tests" / "integration" / file
            if not path.is_file() or not re.search(rf"^def {re.escape(name)}\(", path.read_text(), re.MULTILINE):
                wrong.append(f"{block}: {claim}")
    assert nobody == [], "blocks that no test runs"
    assert wrong == [], "blocks of tests that are not there"
    assert {page for page in (*here, *CLAIMED) if not FOUND[page]} == set()


def test_what_a_block_prints_is_compared_line_by_line() -> None:
    assert missing("a …\nc\n", "a b\nx\nc\n") is None
    assert missing("a\nc\n", "c\na\n") == "c"
    assert missing("a.c", "abc") == "a.c"
