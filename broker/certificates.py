"""The local broker's own certificate authority, and the one certificate it signs.

Everything is made here and kept in 0600 files; clients get ``ca.pem`` alone. The node's certificate serves
two ends: clients check its host name on the client listener, and the controller listener, which demands
a client certificate, knows the broker by it. The authority signs for nobody else.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts.errors import UsageError
from contracts.keys import read_secret, secret_folder, write_secret

NODE_NAME = "mizan-node"
AUTHORITY_DAYS = 3650
NODE_DAYS = 397
# A broker that starts with less than this left gets a new certificate; clients do not notice, the authority stays.
RENEW_BEFORE_DAYS = 30


@dataclass(frozen=True)
class Certificates:
    """PEM files. ``ca`` is public; ``node`` holds the node's private key and chain, ``authority`` the signing key."""

    ca: Path
    node: Path
    authority: Path


def ensure_certificates(
    folder: Path, now: dt.datetime | None = None, names: tuple[str, ...] = ("localhost",)
) -> Certificates:
    """Make what is missing or about to expire in ``folder``; return the files. ``names`` are the node's host names.

    Raises UsageError where only half of the authority is there: a new one would lock out every client.
    """
    now = now or dt.datetime.now(dt.UTC)
    secret_folder(folder)
    files = Certificates(folder / "ca.pem", folder / "node.pem", folder / "authority.key")
    if files.ca.exists() and not files.authority.exists():
        raise UsageError(
            f"{files.authority} is missing, and without it no certificate can be signed",
            hint=f"restore it, or remove {folder} to have a new authority made (clients then need the new ca.pem)",
        )
    if not files.ca.exists():
        _make_authority(files, now)
    if not files.node.exists() or _days_left(files.node, now) < RENEW_BEFORE_DAYS:
        _make_node(files, now, names)
    return files


def _make_authority(files: Certificates, now: dt.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("mizan local authority")
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # The key first: a certificate without its key would look like a lost authority.
    write_secret(files.authority, _pem_key(key))
    write_secret(files.ca, _pem(certificate))


def _make_node(files: Certificates, now: dt.datetime, names: tuple[str, ...]) -> None:
    authority_key = serialization.load_pem_private_key(read_secret(files.authority).encode(), password=None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise UsageError(f"{files.authority} does not hold an elliptic-curve key")
    authority = x509.load_pem_x509_certificate(files.ca.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(NODE_NAME), authority.subject, key.public_key(), now, NODE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName(
                [*(x509.DNSName(name) for name in names), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    write_secret(files.node, _pem_key(key) + _pem(certificate) + _pem(authority))


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # An hour back, so that a clock a little behind ours does not refuse a certificate just made.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    # Not encrypted: its password would have to lie beside it, in a file of the same mode.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def _days_left(path: Path, now: dt.datetime) -> int:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return (certificate.not_valid_after_utc - now).days
