"""What docs/security.md claims is held by tests that are there; the house keeps no secret and no unlocked release."""

import ast
import base64
import random
import re
import subprocess
from pathlib import Path

import pytest
from secret_scan import secrets_in

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
DRAWN = random.Random(11)
# Hashes of files that are downloaded.
HASHES = {
    "requirements.lock",
    "broker/kafka-jars.sha256",
    "tests/fuzz/requirements.txt",
    "tests/fuzz/schemathesis.txt",
    "tests/object_store/requirements.txt",
    "deploy/requirements.txt",
    "supply/requirements.txt",
    "docs/site/requirements.txt",
    "warehouse/spark-requirements.txt",
    "warehouse/spark_environment.py",
    *(f"benchmarks/peers/{path.name}" for path in (ROOT / "benchmarks" / "peers").glob("*.txt")),
    *(f"benchmarks/peers/{path.name}" for path in (ROOT / "benchmarks" / "peers").glob("*.sha256")),
}
# Findings that are no secrets: vectors that are made to be known, digests of what a scenario sends, planted addresses.
PUBLIC = {
    "tests/unit/console/test_operator_input.py": 3,
    "tests/unit/contracts/test_event_parser.py": 1,
    "tests/unit/contracts/test_id_checksum.py": 1,
    "tests/unit/contracts/test_identity_vectors.py": 5,
    "tests/unit/producers/test_districts_scenario.py": 1,
    "tests/unit/producers/test_evaluation_scenario.py": 1,
    "tests/unit/producers/test_qom_scenario.py": 1,
    "tests/unit/producers/test_tehran_scenario.py": 1,
    "tests/unit/producers/test_window_scenario.py": 1,
}


def test_every_test_that_the_page_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    there = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert named
    assert not named - there


def test_every_line_of_the_checklist_says_what_holds_it_or_that_nothing_does():
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| S\d+ \|", line)]
    assert [int(line.split("|")[1].strip()[1:]) for line in lines] == [n for n in range(1, 27) if n != 7]
    for line in lines:
        assert re.search(r"`test_\w+`|`make check`|not yet|in work", line.split("|")[3]), line


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip("not a git checkout: nothing is tracked")
    return [ROOT / name for name in answer.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_secret_is_in_the_repository(tracked):
    found = {}
    for path in tracked:
        name = str(path.relative_to(ROOT))
        if name not in HASHES:
            said = list(secrets_in(path.read_text(encoding="utf-8", errors="replace")))
            if len(said) > PUBLIC.get(name, 0):
                found[name] = said
    assert not found


@pytest.mark.parametrize(
    "planted",
    [
        "-----BEGIN " + "EC PRIVATE KEY-----",
        f"key = {DRAWN.randbytes(16).hex()}",
        f"key: {DRAWN.randbytes(32).hex().upper()}",
        f"export KEY={base64.b64encode(DRAWN.randbytes(32)).decode()}",
        f"password = '{base64.b64encode(DRAWN.randbytes(12)).decode()}'",
        f'{{"api_key": "{base64.b64encode(DRAWN.randbytes(15)).decode()}"}}',
        "postgres://mizan:" + "pa55word@db/x",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "xoxb-" + "123456789012-abcdef",
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJlb2Zpdg",
    ],
)
def test_a_secret_that_is_planted_is_found(planted):
    assert list(secrets_in(f"first line\n{planted}\nlast line"))


def test_words_ids_and_hashes_of_words_are_no_secrets():
    plain = "transport_key_file=MIZAN_TRANSPORT_KEY_FILE password_file: /keys/kafka-admin.password token = '{password}'"
    assert not list(secrets_in(f"{plain} {'ab' * 32} {'0' * 64} test_a_key_that_others_can_read_is_refused"))


def test_every_locked_release_has_its_hashes():
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    releases = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line)]
    assert len(releases) > 100
    assert not [line for line in releases if "==" not in line or "--hash=sha256:" not in line]
