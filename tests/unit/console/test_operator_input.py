"""What an operator mistypes ends with exit 2, one line that names it, and nothing written or run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from operator_rows import ROWS, TOGETHER, Free

from console import commands
from contracts.errors import MizanError, UsageError
from contracts.settings import Settings
from pipeline.steps import initialise

SETTINGS = {
    "MIZAN_HOM": "x",
    "MIZAN_MIN_CELL": "4",
    "MIZAN_PID_MONTHS": "12",
    "MIZAN_CALENDAR": "lunar",
    "MIZAN_LAND_CAP": "0",
    "MIZAN_LAND_MEMORY_MB": "half",
    "MIZAN_MEMORY_MB": "0",
    "MIZAN_ENGINE": "sparkle",
    "MIZAN_PUBLISHED_KEEP": "-1",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka://someone:S3CR3T@host:9092",
    "MIZAN_LAKE_URI": "s3://key:S3CR3T@bucket/lake",
    "MIZAN_POSTGRES_URL": "postgresql://someone:S3CR3T@host/figures",
    "MIZAN_POSTGRES_TIER": "exact",
}


@pytest.fixture(scope="module")
def mizan():
    app = typer.Typer()
    commands.register(app)
    return typer.main.get_command(app)


@pytest.fixture
def refused(mizan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Type a command; it must end with exit 2, and leave the disk as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIZAN_HOME", str(tmp_path / "home"))

    def type_(*words: str) -> str:
        with pytest.raises((SystemExit, MizanError)) as ended:
            mizan.main(list(words), prog_name="mizan")
        code = ended.value.exit_code if isinstance(ended.value, MizanError) else ended.value.code
        said = f"{ended.value} {''.join(capsys.readouterr())}"
        assert code == 2, (words, said)
        assert not list(tmp_path.iterdir()), words
        return said

    return type_


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with keys, an empty lake and an empty catalogue: nobody is refused for want of these."""
    folder = tmp_path_factory.mktemp("made")
    initialise(Settings.load({"MIZAN_HOME": str(folder / "home")}, folder=folder))
    return folder


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    found = ((str(path), path.lstat()) for path in folder.rglob("*") if path.is_file())
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that call it: as the command line itself has them."""
    inner = getattr(command, "commands", None)
    if inner is None or (path and command.invoke_without_command):
        yield " ".join(path), command
    for name, child in (inner or {}).items():
        yield from leaves(child, (*path, name))


def values_of(command: Any) -> set[str]:
    """Arguments by name and options by their longest spelling; switches take no value."""
    return {
        max(parameter.opts, key=len)
        for parameter in command.params
        if not getattr(parameter, "is_flag", False) and parameter.name != "help"
    }


def test_every_command_and_everything_it_takes_has_its_row_and_no_row_is_of_another_day(mizan) -> None:
    assert {name: values_of(command) for name, command in leaves(mizan)} == {name: set(ROWS[name]) for name in ROWS}


@pytest.mark.parametrize(
    ("command", "parameter"), [(command, parameter) for command, row in ROWS.items() for parameter in row]
)
def test_what_is_mistyped_is_refused_before_anything_happens(
    refused, made_home: Path, monkeypatch: pytest.MonkeyPatch, command: str, parameter: str
) -> None:
    row = ROWS[command][parameter]
    if isinstance(row, Free):
        assert row.why
        return
    template, wrong = row
    assert template.startswith(command)
    for value in wrong:
        refused(*(word.replace("{}", value) for word in template.split()))
    # In a home that has all it needs too: nothing is written there, and it is the words that are refused.
    monkeypatch.chdir(made_home)
    monkeypatch.setenv("MIZAN_HOME", str(made_home / "home"))
    before = files_of(made_home)
    for value in wrong:
        said = refused(*(word.replace("{}", value) for word in template.split()))
        assert "mizan init" not in said
        assert files_of(made_home) == before, (command, parameter, value)


@pytest.mark.parametrize("command", ROWS)
def test_no_command_takes_an_unknown_option(refused, command: str) -> None:
    assert "--nonsense" in refused(*command.split(), "--nonsense")


@pytest.mark.parametrize("command", [name for name, row in ROWS.items() if not any(key[0] != "-" for key in row)])
def test_no_command_takes_more_words_than_it_has_arguments(refused, command: str) -> None:
    refused(*command.split(), "extra")


@pytest.mark.parametrize("command", TOGETHER)
def test_words_that_contradict_each_other_are_refused(refused, command: str) -> None:
    refused(*command.split())


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_setting_is_refused_by_name_and_a_secret_in_it_is_not_repeated(refused, monkeypatch, name: str) -> None:
    monkeypatch.setenv(name, SETTINGS[name])
    said = refused("config", "show")
    assert name in said
    assert "S3CR3T" not in said


@pytest.mark.parametrize(
    "servers", ["host", "host:", "host:port", "user:word@host:1", "a:1;b:2", "a:1,,b:2", "a b:1", "\u06f1:1"]
)
def test_what_is_no_list_of_brokers_is_refused(tmp_path: Path, servers: str) -> None:
    with pytest.raises(UsageError, match="host:port"):
        Settings.load({"KAFKA_BOOTSTRAP_SERVERS": servers}, tmp_path)


@pytest.mark.parametrize("servers", ["localhost:9092", "broker_1.local:9092, 10.0.0.2:9092", "[::1]:9092"])
def test_brokers_are_hosts_with_ports(tmp_path: Path, servers: str) -> None:
    assert Settings.load({"KAFKA_BOOTSTRAP_SERVERS": servers}, tmp_path).values["KAFKA_BOOTSTRAP_SERVERS"] == servers


@pytest.mark.parametrize("uri", ["s3://bucket/lake", "/srv/lake", "file:///srv/lake", "abfss://store/lake"])
def test_a_lake_is_a_folder_or_a_uri(tmp_path: Path, uri: str) -> None:
    assert Settings.load({"MIZAN_LAKE_URI": uri}, tmp_path).lake_uri == uri


@pytest.mark.parametrize(
    "content", [b"MIZAN_CALENDAR", b"MIZAN_CALENDAR=\xff", b"MIZAN_HOM=x", b"=x", b"MIZAN CALENDAR=x"]
)
def test_a_damaged_dotenv_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(UsageError, match="env"):
        Settings.load({}, tmp_path)


def test_a_dotenv_file_of_another_system_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbf# ours\r\nexport MIZAN_CALENDAR='gregorian'\r\n\r\n")
    assert Settings.load({}, tmp_path).calendar == "gregorian"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_damaged_description_of_the_broker_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broker.json").write_bytes(content)
    with pytest.raises(UsageError, match="does not describe a broker"):
        Settings.load({"MIZAN_HOME": str(tmp_path)}, tmp_path).kafka()


def test_a_password_that_anybody_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("word\n")
    names = {"KAFKA_BOOTSTRAP_SERVERS": "a:1", "MIZAN_KAFKA_PASSWORD_FILE": str(secret), "MIZAN_KAFKA_USERNAME": "u"}
    login = Settings.load(names, tmp_path).kafka()
    secret.chmod(0o644)
    with pytest.raises(UsageError, match="anybody can read"):
        login.for_librdkafka()
    secret.chmod(0o600)
    assert login.password() == "word"
    secret.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="does not hold text"):
        login.password()
    secret.unlink()
    with pytest.raises(UsageError, match="cannot read"):
        login.password()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("simulate --list >&-", 0),
        ("simulate --list --json 2>&- >&-", 0),
        ("contract --json >/dev/full", 1),
        ("check - <&-", 2),
        ("simulate --list | true", 0),
    ],
)
def test_a_closed_or_full_stream_is_no_crash(tmp_path: Path, command: str, code: int) -> None:
    done = in_bare_shell(tmp_path, f"mizan {command}")
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def test_no_home_and_no_locale_and_no_zone_is_a_machine_as_well(tmp_path: Path) -> None:
    done = in_bare_shell(tmp_path, "LC_ALL=C mizan simulate --list")
    assert done.returncode == 0
    assert "گزارش" in done.stdout


def test_a_folder_that_may_not_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    done = in_bare_shell(tmp_path, "MIZAN_HOME=/proc/nothing mizan init")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "/proc/nothing" in done.stderr


def in_bare_shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A shell that has no HOME, no locale and no TZ; ``mizan`` is the command."""
    script = f'mizan() {{ "{sys.executable}" -m console.main "$@"; }}\n{line}\n'
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "MIZAN_HOME": str(folder / "home")}
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        check=False,
        cwd=folder,
        env=environment,
        encoding="utf-8",
    )
