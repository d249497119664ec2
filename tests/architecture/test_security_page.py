"""What docs/security.md claims is held by tests that are there; the house keeps no secret and no unlocked release."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
LONG_HEX = re.compile(rb"(?<![0-9a-fA-F])[0-9a-f]{64}(?![0-9a-fA-F])")
# 64 digits that are no key: hashes of files that are downloaded, keys of test vectors, which are made to be known.
PUBLIC_HEX = {
    "requirements.lock",
    "broker/kafka-jars.sha256",
    "tests/fuzz/requirements.txt",
    "tests/fuzz/schemathesis.txt",
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
    found = []
    for path in tracked:
        content, name = path.read_bytes(), str(path.relative_to(ROOT))
        # Put together here, or this file would be its own find.
        if b"-----BEGIN " + b"PRIVATE" in content or b"-----BEGIN RSA " + b"PRIVATE" in content:
            found.append(f"{name}: a private key")
        if name not in PUBLIC_HEX and not name.startswith("tests/"):
            found += [f"{name}: {match.decode()}" for match in LONG_HEX.findall(content) if len(set(match)) > 4]
    assert not found


def test_every_locked_release_has_its_hashes():
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    releases = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line)]
    assert len(releases) > 100
    assert not [line for line in releases if "==" not in line or "--hash=sha256:" not in line]
