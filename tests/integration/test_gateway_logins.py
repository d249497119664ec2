"""Who gets in at the gateway: tokens, client certificates, the commands that give and take them."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gateway_rig import Served, event, free_port, lines, served

from broker.administration import add_agencies, allow_gateway
from broker.certificates import ensure_certificates
from contracts.errors import MizanError, TryAgain, UsageError
from contracts.settings import Settings
from gateway import background, logins
from gateway.logins import Logins, add_token, allow_certificate, list_logins, revoke
from gateway.server import Certificates

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path)


def test_a_token_is_kept_as_a_hash_in_files_of_its_owner_alone(home: Settings) -> None:
    login, token = add_token(home, "tax", "portal")
    kept = home.keys / "gateway-logins.json"
    secret = token.split("_", 2)[2]
    assert secret not in kept.read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (kept, home.keys / "gateway.key")} == {0o600}
    assert Logins(home).of_token(token) == login
    assert "digest" not in repr(login)


def test_no_other_text_lets_anybody_in(home: Settings) -> None:
    _, token = add_token(home, "tax")
    login, _ = add_token(home, "customs")
    known = Logins(home)
    secret = token.split("_", 2)[2]
    wrong = [
        "", "mzt_", token[:-1], token + "A", token.upper(), f"mzt_{login.name}_{secret}", secret,
        "mzt_000000000000_" + "A" * 43, allow_certificate(home, "tax").name, token + "\n", token.replace("mzt", "mzs"),
    ]  # fmt: skip
    assert [known.of_token(text) for text in wrong] == [None] * len(wrong)
    # A token's id is no certificate's name.
    assert known.of_certificate(login.name) is None


def test_the_list_alone_opens_nothing_under_another_key(home: Settings, tmp_path: Path) -> None:
    _, token = add_token(home, "tax")
    thief = Settings.load({"MIZAN_HOME": str(tmp_path / "thief")}, folder=tmp_path)
    add_token(thief, "tax")
    (thief.keys / "gateway-logins.json").write_bytes((home.keys / "gateway-logins.json").read_bytes())
    assert Logins(thief).of_token(token) is None


def test_a_list_that_others_can_read_lets_nobody_in(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "LOOK_SECONDS", 0.0)
    _, token = add_token(home, "tax")
    known = Logins(home)
    assert known.of_token(token)
    (home.keys / "gateway-logins.json").chmod(0o644)
    assert known.of_token(token) is None
    (home.keys / "gateway-logins.json").chmod(0o600)
    assert known.of_token(token)


def test_revoking_takes_what_is_named_and_nothing_else(home: Settings) -> None:
    first, _ = add_token(home, "tax")
    second, _ = add_token(home, "tax")
    portal, _ = add_token(home, "tax", "portal")
    allow_certificate(home, "tax", "portal")
    other, _ = add_token(home, "taxi")
    assert revoke(home, "tax", None, first.name) == [first.name]
    assert revoke(home, "tax", "portal") == [portal.name, "agency-tax.portal"]
    assert revoke(home, "ta") == []
    assert revoke(home, "tax") == [second.name]
    assert [one.name for one in list_logins(home)] == [other.name]


def test_a_malformed_agency_or_system_gets_no_login(home: Settings) -> None:
    for agency, system in (("Tax", None), ("../x", None), ("evaluator", None), ("tax", "Portal"), ("tax", "a.b")):
        with pytest.raises(UsageError):
            add_token(home, agency, system)
        with pytest.raises(UsageError):
            allow_certificate(home, agency, system)


# --- On the wire --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def agency(broker: Settings) -> str:
    allow_gateway(broker)
    name = f"gw-{uuid.uuid4().hex[:8]}"
    add_agencies(broker, [name])
    return name


def test_a_revoked_token_is_out_within_a_second_also_on_an_open_connection(broker: Settings, agency: str) -> None:
    login, token = add_token(broker, agency)
    with served(broker) as site:
        assert site.post(lines(event(agency)), token=token).status == 202
        connection = site.connect()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        for status in (202, 401):
            connection.request("POST", "/v1/events", lines(event(agency)), headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            revoke(broker, agency, None, login.name)
            time.sleep(1.05)
        connection.close()


class Authority:
    """A small authority of the test's own, and the certificates it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        self.pem = folder / "ca.pem"
        self._write(self.pem, self._signed(self._name, self._key, ca=True))

    def client(self, name: str) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        path = self.folder / f"{name}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._write(path, self._signed(subject, key, ca=False), private)
        return path

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate, private: bytes = b"") -> None:
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def tls(broker: Settings, tmp_path: Path) -> Iterator[tuple[Served, Authority, Path]]:
    """A gateway under TLS, the authority of agencies' certificates, and the gateway's own authority."""
    authority = Authority(tmp_path / "agencies")
    own = ensure_certificates(tmp_path / "tls")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logins, "LOOK_SECONDS", 0.0)
        with served(broker, certificates=Certificates(own.node, own.node, authority.pem)) as site:
            yield site, authority, own.ca


def context(ca: Path, client: Path | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(ca))
    if client is not None:
        made.load_cert_chain(client)
    return made


def test_a_listed_certificate_lets_its_agency_in_and_no_other_does(
    broker: Settings, agency: str, tls: tuple[Served, Authority, Path], tmp_path: Path
) -> None:
    site, authority, ca = tls
    certificate = authority.client(f"agency-{agency}")
    site.context = context(ca, certificate)
    assert site.post(lines(event(agency))).status == 401  # signed, but not listed
    allow_certificate(broker, agency)
    answer = site.post(lines(event(agency), event("another")))
    assert answer.verdicts == ["accepted", "source_mismatch"]
    assert answer.headers["strict-transport-security"]
    # A bad token is not made good by the certificate beside it.
    assert site.post(lines(event(agency)), token="mzt_no").status == 401

    site.context = context(ca, authority.client(f"agency-{agency}x"))
    assert site.post(lines(event(agency))).status == 401
    site.context = context(ca, Authority(tmp_path / "stranger").client(f"agency-{agency}"))
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        site.post(lines(event(agency)))

    site.context = context(ca, certificate)
    assert revoke(broker, agency) == [f"agency-{agency}"]
    assert site.post(lines(event(agency))).status == 401


def test_under_tls_a_token_does_without_a_certificate(
    broker: Settings, agency: str, tls: tuple[Served, Authority, Path]
) -> None:
    site, _, ca = tls
    site.context = context(ca)
    _, token = add_token(broker, agency)
    assert site.post(lines(event(agency)), token=token).status == 202
    assert site.post(lines(event(agency))).status == 401


# --- By hand ------------------------------------------------------------------------------------------------------


def mizan(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MIZAN_HOME": str(settings.home)}
    call = [sys.executable, "-m", "console.main", *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=False, env=environment, timeout=120)


def test_a_token_is_printed_once_and_leaves_with_its_agency(broker: Settings) -> None:
    name = f"gw-{uuid.uuid4().hex[:8]}"
    refused = mizan(broker, "gateway", "token", "add", name)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "mizan agency add" in refused.stderr
    add_agencies(broker, [name])
    told = json.loads(mizan(broker, "gateway", "token", "add", name, "--system", "portal", "--json").stdout)
    assert told["token"].startswith(f"mzt_{told['name']}_")
    listed = mizan(broker, "gateway", "token", "ls", "--json")
    assert told["token"] not in listed.stdout + listed.stderr
    assert [one["name"] for one in json.loads(listed.stdout) if one["agency_id"] == name] == [told["name"]]
    gone = json.loads(mizan(broker, "agency", "revoke", name, "--json").stdout)
    assert gone["gateway"] == [told["name"]]
    assert not [one for one in list_logins(broker) if one.agency_id == name]
    assert revoke(broker, name) == []


def test_beyond_this_machine_it_listens_under_tls_or_behind_a_proxy_alone(broker: Settings, tmp_path: Path) -> None:
    refused = mizan(broker, "gateway", "run", "--host", "0.0.0.0")
    assert refused.returncode == 2
    assert "in the clear" in refused.stderr
    own = ensure_certificates(tmp_path / "tls")
    own.node.chmod(0o644)
    refused = mizan(broker, "gateway", "run", "--certificate", str(own.node), "--key", str(own.node))
    assert refused.returncode == 2
    assert "can be read by others" in refused.stderr


def test_without_a_kafka_user_it_says_how_one_is_made(home: Settings, broker: Settings) -> None:
    home.home.mkdir(exist_ok=True)
    document = json.loads(broker.broker_file.read_text())
    home.broker_file.write_text(json.dumps(document | {"gateway_password_file": str(home.keys / "none")}))
    refused = mizan(home, "gateway", "run", "--port", "1")
    assert refused.returncode == 2
    assert "mizan gateway token add" in refused.stderr


def test_in_the_background_it_is_found_again_and_stopped_by_its_own_pid(broker: Settings) -> None:
    allow_gateway(broker)
    port, noted = free_port(), broker.home / "gateway" / "pid.json"
    try:
        background.up(broker, port)
        known = noted.read_text()
        background.up(broker, port)
        assert noted.read_text() == known
        # A pid that is another process's by now is not ours to end.
        noted.write_text(json.dumps(json.loads(known) | {"started": 1.0}))
        assert not background.down(broker)
        noted.write_text(known)
    finally:
        assert background.down(broker)
    assert not background.down(broker)


def test_one_that_cannot_listen_says_so(broker: Settings) -> None:
    allow_gateway(broker)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(MizanError, match="ended while starting"):
            background.up(broker, taken.getsockname()[1])
        taken.listen()
        with pytest.raises(TryAgain, match="another program"):
            background.up(broker, taken.getsockname()[1])
