import contextlib
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from broker.certificates import ensure_certificates
from contracts.errors import UsageError

NOW = dt.datetime(2026, 3, 21, tzinfo=dt.UTC)


def node_certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_node_is_certified_for_loopback_alone_by_the_authority(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path / "tls", NOW)
    node = node_certificate(files.node)
    node.verify_directly_issued_by(node_certificate(files.ca))
    names = node.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert node.subject.rfc4514_string() == "CN=mizan-node"


def test_openssl_takes_the_files_in_its_strict_mode(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path / "tls")
    context = ssl.create_default_context(cafile=str(files.ca))
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.node)
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    client = context.wrap_bio(client_in, client_out, server_hostname="127.0.0.1")
    answering = server.wrap_bio(server_in, server_out, server_side=True)
    for _ in range(3):
        for side in (client, answering):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            server_in.write(client_out.read())
            client_in.write(server_out.read())
    assert client.version() == "TLSv1.3"


def test_every_file_is_the_owners_alone(tmp_path: Path) -> None:
    ensure_certificates(tmp_path / "tls", NOW)
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "tls").iterdir()} == {0o600}


def test_nothing_is_made_twice(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path / "tls", NOW)
    before = files.node.read_bytes()
    ensure_certificates(tmp_path / "tls", NOW + dt.timedelta(days=300))
    assert files.node.read_bytes() == before


def test_a_certificate_about_to_expire_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path / "tls", NOW)
    authority, before = files.ca.read_bytes(), node_certificate(files.node)
    ensure_certificates(tmp_path / "tls", NOW + dt.timedelta(days=380))
    after = node_certificate(files.node)
    assert files.ca.read_bytes() == authority
    assert after.not_valid_after_utc - before.not_valid_after_utc == dt.timedelta(days=380)


def test_a_lost_signing_key_is_not_silently_replaced(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path / "tls", NOW)
    files.authority.unlink()
    with pytest.raises(UsageError, match="missing"):
        ensure_certificates(tmp_path / "tls", NOW)
