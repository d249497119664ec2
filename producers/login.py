"""How an agency's program gets in: the bundle it was handed, or single values."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import UsageError
from contracts.keys import read_key, read_secret
from contracts.settings import EVALUATOR, KafkaLogin, agency_id


@dataclass(frozen=True)
class AgencyLogin:
    """Who writes, where to, and the key that turns persons into ``user_key``; the key may be absent.

    ``agency_id`` is EVALUATOR where the national evaluator writes.
    """

    agency_id: str
    kafka: KafkaLogin
    system: str | None = None
    transport_key: bytes | None = field(default=None, repr=False)
    user_key_id: str | None = None
    contract_version: str | None = None  # the platform's when the bundle was made; None in bundles of before

    def at(self, bootstrap_servers: str) -> AgencyLogin:
        """The same login at another address of the cluster."""
        return dataclasses.replace(self, kafka=dataclasses.replace(self.kafka, bootstrap_servers=bootstrap_servers))


def read_bundle(folder: Path) -> AgencyLogin:
    """Read ``bundle.json`` and the secrets beside it; file names in it are relative to the folder.

    Raises UsageError where a file is missing, malformed, or readable by others than its owner.
    """
    path = folder / "bundle.json"
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
        agency = bundle["agency_id"] if bundle["agency_id"] == EVALUATOR else agency_id(bundle["agency_id"])
        password_file = _beside(folder, bundle.get("password_file"))
        if password_file is not None:
            read_secret(password_file)
        key_file = _beside(folder, bundle.get("transport_key_file"))
        login = KafkaLogin(
            bootstrap_servers=bundle["bootstrap"],
            security_protocol=bundle.get("security_protocol") or "SASL_SSL",
            sasl_mechanism=bundle.get("sasl_mechanism"),
            username=bundle.get("username"),
            password_file=password_file,
            ca_file=_beside(folder, bundle.get("ca_file")),
        )
        return AgencyLogin(
            agency,
            login,
            bundle.get("system"),
            None if key_file is None else read_key(key_file),
            bundle.get("user_key_id"),
            bundle.get("contract_version"),
        )
    except OSError as error:
        raise UsageError(
            f"cannot read the bundle {path}: {error.strerror}", hint="mizan agency add ID --out DIR"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not a bundle: {type(error).__name__} {error}") from error


def _beside(folder: Path, name: str | None) -> Path | None:
    return None if not name else folder / name
