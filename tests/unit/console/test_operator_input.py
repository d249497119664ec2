"""What an operator mistypes ends with exit 2, one line that names it, and nothing written or run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from console import commands
from contracts.errors import MizanError, UsageError
from contracts.settings import Settings

IDS = ["../../x", "..\\x", "%2e%2e/", "a/b", ".", "CON", "a" * 300, "-x", "a\nb", ";rm", "'q'", '"q"', "--", "$(id)"]
IDS += ["`id`", "تهران", "ta\u200bx", "Tax", "a", "evaluator"]
IN_AGENCY_PLACE = [
    "agency add ID",
    "agency add known --parent ID",
    "agency add-system ID desk",
    "agency add-system tax ID/",
    "agency rotate ID",
    "agency revoke ID",
    "check - --agency ID",
    "send f.ndjson --agency ID",
    "quarantine show --agency ID",
    "gate release batch --agency ID --by me --reason why",
]
MONTHS = [
    "2026-13",
    "2026-1",
    "9999-99",
    "",
    "1399-00",
    "1399/01",
    "۱۳۹۹-۰۱",
    "1399-01\n",
    "1700-01",
    "2100-01",
    "1500-01",
]
IN_MONTH_PLACE = [
    "build --month MONTH",
    "month close MONTH --by me --note looked",
    "month reopen MONTH --by me",
    "simulate qom-1399-h1 --to out --month MONTH",
    "simulate qom-1399-h1 --to out --months MONTH",
    "simulate qom-1399-h1 --to out --months MONTH/1399-06",
    "simulate qom-1399-h1 --to out --months 1399-01..MONTH",
    "catalogue show agencies --as-of MONTH",
]
MISTYPED = [
    "nonsense",
    "land extra",
    "build --month 1399-01 --full",
    "simulate nowhere",
    "simulate qom-1399-h1 --to out --months 1399-03/1399-01",
    "simulate qom-1399-h1 --to out --months 1399-01/",
    "simulate qom-1399-h1 --to out --month 1399-01 --months 1399-01",
    *(f"simulate qom-1399-h1 --to out --scale {scale}" for scale in ("0", "-1", "nan", "inf", "2", "x")),
    *(f"publish --rollback {version}" for version in ("v0", "-1", "../v1", "v1.duckdb", "v")),
    *(f"quarantine show --limit {limit}" for limit in ("0", "-1", "1e3", "1000000000000")),
    "catalogue show nowhere",
    "catalogue show ../agencies",
    "catalogue load nowhere",
    "claim check nowhere",
    *(f"claim check all --scale {scale}" for scale in ("0", "-1", "nan", "2")),
    "explain monthly_users month",
    "explain monthly_users =1399-01",
    "check nowhere",
    "check .",
    "send nowhere --agency tax",
    "evaluator send nowhere",
    "import canada-service-inventory --to out --scale 0.5",
    "import canada-service-inventory --to out --as-events --scale many",
    "import canada-service-inventory nowhere --to out",
    "agency add known",
    "agency add known --province nowhere",
]
SETTINGS = {
    "MIZAN_HOM": "x",
    "MIZAN_MIN_CELL": "4",
    "MIZAN_CALENDAR": "lunar",
    "MIZAN_LAND_CAP": "0",
    "MIZAN_ENGINE": "sparkle",
    "MIZAN_PUBLISHED_KEEP": "-1",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka://someone:S3CR3T@host:9092",
    "MIZAN_LAKE_URI": "s3://key:S3CR3T@bucket/lake",
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


@pytest.mark.parametrize("command", IN_AGENCY_PLACE)
def test_what_is_no_agency_is_refused_before_anything_happens(refused, command: str) -> None:
    for wrong in IDS:
        refused(*(word.replace("ID", wrong) for word in command.split()))


@pytest.mark.parametrize("command", IN_MONTH_PLACE)
def test_what_is_no_month_of_the_past_is_refused_before_anything_happens(refused, command: str) -> None:
    for wrong in MONTHS:
        refused(*(word.replace("MONTH", wrong) for word in command.split()))


@pytest.mark.parametrize("command", MISTYPED)
def test_what_is_mistyped_is_refused_before_anything_happens(refused, command: str) -> None:
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
