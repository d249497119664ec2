"""Ed25519 signatures of releases. The private key is a secret file of its own; the public key travels with a release.

Anybody can check a release without Mizan: ``openssl pkeyutl -verify -pubin -inkey release.pub -rawin -in release.json
-sigfile release.sig``.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from contracts.keys import KEY_BYTES, keep_secret, read_key
from contracts.settings import Settings


def signing_key_file(settings: Settings) -> Path:
    """Where the key that signs releases lies; 0600."""
    return settings.keys / "release-signing.key"


def create_signing_key(settings: Settings) -> list[Path]:
    """Make the key unless it is there; the files that were made."""
    path = signing_key_file(settings)
    return [path] if keep_secret(path, lambda: secrets.token_hex(KEY_BYTES)) else []


def sign(settings: Settings, document: bytes) -> tuple[bytes, bytes]:
    """The signature (64 bytes) and the public key (PEM). UsageError where the key is missing or open to others."""
    key = Ed25519PrivateKey.from_private_bytes(read_key(signing_key_file(settings)))
    return key.sign(document), _pem(key.public_key())


def is_signed(document: bytes, signature: bytes, public_key: bytes) -> bool:
    """True where ``signature`` is this key's over this document."""
    try:
        key = load_pem_public_key(public_key)
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(signature, document)
    except (InvalidSignature, ValueError):
        return False
    return True


def trusted_keys(settings: Settings) -> list[bytes]:
    """The public keys (PEM) whose releases are ours: today's, and those kept as ``release-signing*.pub`` beside it."""
    kept = [path.read_bytes() for path in sorted(settings.keys.glob("release-signing*.pub"))]
    path = signing_key_file(settings)
    return [*kept, _pem(Ed25519PrivateKey.from_private_bytes(read_key(path)).public_key())] if path.exists() else kept


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
