"""Every environment variable, typed, read in one place.

Values come from the process environment, then from ``.env`` in the working folder, then from the
defaults below. An unknown ``MIZAN_*`` name is an error: a misspelt setting must not pass silently.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from contracts import postgres_target
from contracts.errors import UsageError

AGENCY_ID = re.compile(r"[a-z][a-z0-9-]{1,39}")
_SERVER = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
TOPIC_PREFIX = "egov.events.v1."
# The national evaluator writes to a topic of its own; in the lake it stands in the agencies' column under this id.
ASSESSMENTS_TOPIC = "egov.assessments.v1"
EVALUATOR = "evaluator"


@dataclass(frozen=True)
class Variable:
    """One setting: its environment name, its default as text (None: unset) and how to read it."""

    name: str
    default: str | None
    meaning: str
    check: Callable[[str], object] = str


def _whole(name: str, least: int, most: int | None = None) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= (int(text) if most is None else most):
            bounds = f"above {least - 1}" if most is None else f"from {least} to {most}"
            raise UsageError(f"{name} must be a whole number {bounds}, not {text!r}")
        return int(text)

    return read


def _one_of(name: str, *allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise UsageError(f"{name} must be one of {', '.join(allowed)}, not {text!r}")
        return text

    return read


def _brokers(text: str) -> str:
    """Host and port of each broker. The text is never quoted: what looks like a URL may hold a password."""
    for server in text.split(","):
        if not _SERVER.fullmatch(server.strip()):
            raise UsageError(
                "KAFKA_BOOTSTRAP_SERVERS must be host:port, more of them parted by commas",
                hint="no URL and no password: user and password file have settings of their own",
            )
    return text


def _lake_uri(text: str) -> str:
    """A folder or a URI without secrets. The text is never quoted: it is shown by `mizan config show` and in logs."""
    parts = urlsplit(text)
    if "://" in text and ("@" in parts.netloc or parts.query or parts.fragment):
        raise UsageError(
            "MIZAN_LAKE_URI must hold no user, password or parameters",
            hint="the store's own environment variables or credentials file hold its secrets",
        )
    return text


VARIABLES = (
    Variable("MIZAN_HOME", "./var", "state: broker, lake, build, published, keys, Airflow home", Path),
    Variable("MIZAN_LAKE_URI", None, "the lake: a folder or s3://bucket/prefix; unset: $MIZAN_HOME/lake", _lake_uri),
    Variable("KAFKA_BOOTSTRAP_SERVERS", None, "unset: the local broker's address", _brokers),
    Variable(
        "MIZAN_KAFKA_SECURITY_PROTOCOL",
        None,
        "unset: the local broker's",
        _one_of("MIZAN_KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "SSL", "SASL_PLAINTEXT", "PLAINTEXT"),
    ),
    Variable("MIZAN_KAFKA_SASL_MECHANISM", None, "unset: the local broker's"),
    Variable("MIZAN_KAFKA_USERNAME", None, "unset: the local broker's pipeline user"),
    Variable("MIZAN_KAFKA_PASSWORD_FILE", None, "file that holds the password, 0600", Path),
    Variable("MIZAN_KAFKA_ADMIN_USERNAME", None, "unset: the local broker's administrator"),
    Variable("MIZAN_KAFKA_ADMIN_PASSWORD_FILE", None, "file that holds that password, 0600", Path),
    Variable("MIZAN_KAFKA_GATEWAY_USERNAME", None, "unset: the local broker's user of the HTTP gateway"),
    Variable("MIZAN_KAFKA_GATEWAY_PASSWORD_FILE", None, "file that holds that password, 0600", Path),
    Variable("MIZAN_KAFKA_CA_FILE", None, "PEM file of the broker's CA", Path),
    Variable("MIZAN_TRANSPORT_KEY_FILE", None, "unset: $MIZAN_HOME/keys/transport.key", Path),
    Variable("MIZAN_PLATFORM_KEY_FILE", None, "unset: $MIZAN_HOME/keys/platform.key", Path),
    Variable("MIZAN_CALENDAR", "jalali", "calendar shown by default", _one_of("MIZAN_CALENDAR", "jalali", "gregorian")),
    Variable("MIZAN_MIN_CELL", "10", "fewest distinct keys a public cell may rest on", _whole("MIZAN_MIN_CELL", 5, 30)),
    # At least thirteen: a month is compared with that of the year before.
    Variable("MIZAN_PID_MONTHS", "25", "whole months an event keeps its pid", _whole("MIZAN_PID_MONTHS", 13, 1200)),
    Variable(
        "MIZAN_AGENCY_BYTE_RATE",
        str(64 * 2**20),
        "bytes a second an agency may produce",
        _whole("MIZAN_AGENCY_BYTE_RATE", 1),
    ),
    Variable("MIZAN_ENGINE", "duckdb", "engine that builds from nothing", _one_of("MIZAN_ENGINE", "duckdb", "spark")),
    Variable("MIZAN_LAND_CAP", "2000000", "most offsets one partition gives to one batch", _whole("MIZAN_LAND_CAP", 1)),
    Variable(
        "MIZAN_LAND_MEMORY_MB", "600", "megabytes of a landing batch, else halved", _whole("MIZAN_LAND_MEMORY_MB", 1)
    ),
    Variable("MIZAN_MEMORY_MB", "2000", "megabytes of gate, build and publishing", _whole("MIZAN_MEMORY_MB", 1)),
    Variable("MIZAN_LOG", "text", "stderr: text, or json: a line an event", _one_of("MIZAN_LOG", "text", "json")),
    Variable("MIZAN_PUBLISHED_KEEP", "5", "published versions kept, at least", _whole("MIZAN_PUBLISHED_KEEP", 1)),
    Variable(postgres_target.URL, None, "PostgreSQL that gets copies", postgres_target.url_without_secret),
    Variable(postgres_target.URL_FILE, None, "file that holds that URL with its password, 0600", Path),
    Variable(postgres_target.TIER, "analyst", "tier copied there", _one_of(postgres_target.TIER, "analyst", "public")),
)
_BY_NAME = {variable.name: variable for variable in VARIABLES}


@dataclass(frozen=True)
class KafkaLogin:
    """How one principal reaches Kafka. ``password`` is read when needed and never printed."""

    bootstrap_servers: str
    security_protocol: str
    sasl_mechanism: str | None
    username: str | None
    password_file: Path | None
    ca_file: Path | None

    def password(self) -> str | None:
        """The password from its file; UsageError where the file cannot be read, or anybody can read it."""
        if self.password_file is None:
            return None
        try:
            if self.password_file.stat().st_mode & 0o007:
                raise UsageError(
                    f"anybody can read the Kafka password file {self.password_file}",
                    hint=f"chmod 600 {self.password_file}",
                )
            return self.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(f"cannot read the Kafka password file {self.password_file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"the Kafka password file {self.password_file} does not hold text") from error

    def for_kafka_python(self) -> dict[str, object]:
        """Keyword arguments for kafka-python clients."""
        login: dict[str, object] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
        }
        if self.ca_file is not None:
            login["ssl_cafile"] = str(self.ca_file)
        if self.sasl_mechanism is not None:
            login |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password(),
            }
        return login

    def for_librdkafka(self) -> dict[str, str]:
        """Configuration for confluent-kafka clients."""
        login = {"bootstrap.servers": self.bootstrap_servers, "security.protocol": self.security_protocol}
        if self.ca_file is not None:
            login["ssl.ca.location"] = str(self.ca_file)
        if self.sasl_mechanism is not None:
            login |= {
                "sasl.mechanisms": self.sasl_mechanism,
                "sasl.username": self.username or "",
                "sasl.password": self.password() or "",
            }
        return login


@dataclass(frozen=True)
class Settings:
    """The configuration of one call. ``values`` holds text; ``origins`` says where each came from."""

    values: Mapping[str, str | None]
    origins: Mapping[str, str]

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
        """Read environment and ``.env``; UsageError on an unknown name or a value out of its range."""
        environ = os.environ if environ is None else environ
        dotenv = _read_dotenv((folder or Path.cwd()) / ".env")
        for origin, names in (("environment", environ), (".env", dotenv)):
            for name in names:
                if name.startswith("MIZAN_") and name not in _BY_NAME:
                    raise UsageError(f"unknown setting {name} in {origin}", hint="see `mizan config show`")
        values: dict[str, str | None] = {}
        origins: dict[str, str] = {}
        for variable in VARIABLES:
            for origin, found in (("environment", environ), (".env", dotenv)):
                if found.get(variable.name):
                    values[variable.name], origins[variable.name] = found[variable.name], origin
                    break
            else:
                values[variable.name], origins[variable.name] = variable.default, "default"
            text = values[variable.name]
            if text is not None:
                variable.check(text)
        return cls(values, origins)

    def _path(self, name: str) -> Path | None:
        text = self.values[name]
        return None if text is None else Path(text).absolute()

    @property
    def home(self) -> Path:
        """Everything the platform writes is below this folder."""
        return Path(self.values["MIZAN_HOME"] or "./var").absolute()

    @property
    def lake_uri(self) -> str:
        """Where the Delta tables live; any URI that ``deltalake`` takes."""
        return self.values["MIZAN_LAKE_URI"] or str(self.home / "lake")

    @property
    def build_file(self) -> Path:
        """The private build database: a cache, rebuildable from the lake."""
        return self.home / "build" / "mizan.duckdb"

    @property
    def published(self) -> Path:
        """The folder of published tiers: ``analyst`` and ``public``."""
        return self.home / "published"

    @property
    def keys(self) -> Path:
        """Secrets, 0700, apart from lake and warehouse."""
        return self.home / "keys"

    @property
    def transport_key_file(self) -> Path:
        """The counting domain's transport key, on the agencies' side."""
        return self._path("MIZAN_TRANSPORT_KEY_FILE") or self.keys / "transport.key"

    @property
    def platform_key_file(self) -> Path:
        """The platform's key; landing alone reads it."""
        return self._path("MIZAN_PLATFORM_KEY_FILE") or self.keys / "platform.key"

    @property
    def broker_file(self) -> Path:
        """What the local broker wrote about itself when it came up."""
        return self.home / "broker.json"

    @property
    def min_cell(self) -> int:
        """Fewest distinct keys a public cell may rest on (domain: k)."""
        return int(self.values["MIZAN_MIN_CELL"] or 10)

    @property
    def pid_months(self) -> int:
        """Whole months an event keeps the pid of its person."""
        return int(self.values["MIZAN_PID_MONTHS"] or 25)

    @property
    def agency_byte_rate(self) -> int:
        """Produce quota of an agency, bytes a second."""
        return int(self.values["MIZAN_AGENCY_BYTE_RATE"] or 0)

    @property
    def engine(self) -> str:
        """Who builds from nothing: ``duckdb`` or ``spark``."""
        return self.values["MIZAN_ENGINE"] or "duckdb"

    @property
    def land_cap(self) -> int:
        """Most offsets one partition gives to one batch."""
        return int(self.values["MIZAN_LAND_CAP"] or 0)

    @property
    def land_memory_mb(self) -> int:
        """Megabytes in which landing judges a batch; the records as they came and the libraries come on top."""
        return int(self.values["MIZAN_LAND_MEMORY_MB"] or 600)

    @property
    def memory_mb(self) -> int:
        """Megabytes of one DuckDB of the gate, the build or publishing; what does not fit goes to disk where it can."""
        return int(self.values["MIZAN_MEMORY_MB"] or 2000)

    @property
    def published_keep(self) -> int:
        """Published versions kept, at least."""
        return int(self.values["MIZAN_PUBLISHED_KEEP"] or 5)

    @property
    def calendar(self) -> str:
        """Calendar shown by default: ``jalali`` or ``gregorian``."""
        return self.values["MIZAN_CALENDAR"] or "jalali"

    def kafka(self) -> KafkaLogin:
        """The pipeline's login: from the environment, else the local broker's own file.

        Raises UsageError where neither names a cluster.
        """
        return self._login("pipeline", "MIZAN_KAFKA_USERNAME", "MIZAN_KAFKA_PASSWORD_FILE")

    def kafka_admin(self) -> KafkaLogin:
        """The administrator's login: it creates topics, users, ACLs and quotas, and reads no event."""
        return self._login("admin", "MIZAN_KAFKA_ADMIN_USERNAME", "MIZAN_KAFKA_ADMIN_PASSWORD_FILE")

    def kafka_gateway(self) -> KafkaLogin:
        """The HTTP gateway's login: it writes to agencies' topics and reads no event."""
        return self._login("gateway", "MIZAN_KAFKA_GATEWAY_USERNAME", "MIZAN_KAFKA_GATEWAY_PASSWORD_FILE")

    def _login(self, role: str, user_variable: str, password_variable: str) -> KafkaLogin:
        local: dict[str, str] = {}
        if self.values["KAFKA_BOOTSTRAP_SERVERS"] is None:
            if not self.broker_file.exists():
                raise UsageError(
                    "no Kafka cluster is configured",
                    hint="set KAFKA_BOOTSTRAP_SERVERS, or start the local one: mizan broker up",
                )
            local = _read_broker_file(self.broker_file)
        password_file = self._path(password_variable) or (
            Path(local[f"{role}_password_file"]) if f"{role}_password_file" in local else None
        )
        ca_file = self._path("MIZAN_KAFKA_CA_FILE") or (Path(local["ca_file"]) if "ca_file" in local else None)
        username = self.values[user_variable] or local.get(f"{role}_username")
        mechanism = self.values["MIZAN_KAFKA_SASL_MECHANISM"] or local.get("sasl_mechanism")
        if mechanism is None and username is not None:
            mechanism = "SCRAM-SHA-512"
        return KafkaLogin(
            bootstrap_servers=self.values["KAFKA_BOOTSTRAP_SERVERS"] or local["bootstrap"],
            security_protocol=self.values["MIZAN_KAFKA_SECURITY_PROTOCOL"]
            or local.get("security_protocol")
            or ("SASL_SSL" if username else "PLAINTEXT"),
            sasl_mechanism=mechanism,
            username=username,
            password_file=password_file,
            ca_file=ca_file,
        )

    def shown(self) -> list[dict[str, str | None]]:
        """Every setting with value and origin. No secret is ever a value here: secrets live in files."""
        return [
            {
                "name": v.name,
                "value": self.values[v.name],
                "origin": self.origins[v.name],
                "meaning": v.meaning,
            }
            for v in VARIABLES
        ]


def agency_id(text: str) -> str:
    """``text`` if it is an agency id, else UsageError. It becomes a topic, a user and a folder name."""
    if not AGENCY_ID.fullmatch(text):
        raise UsageError(
            f"not an agency id: {text!r}",
            hint="lower-case Latin letters, digits and hyphens, 2 to 40, a letter first",
        )
    if text == EVALUATOR:
        raise UsageError(f"{text!r} is kept for the national evaluator", hint="mizan evaluator add")
    return text


def _read_broker_file(path: Path) -> dict[str, str]:
    """What the local broker wrote about itself. Raises UsageError where it is damaged."""
    try:
        local: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        local["bootstrap"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} does not describe a broker", hint="mizan broker up writes it anew") from error
    return local


def _read_dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines; comments and blank lines are skipped, matching quotes are taken off."""
    found: dict[str, str] = {}
    if not path.is_file():
        return found
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8") from error
    for number, line in enumerate(text.splitlines(), 1):
        setting = line.strip()
        if not setting or setting.startswith("#"):
            continue
        name, equals, value = setting.removeprefix("export ").partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            raise UsageError(f"{path}:{number}: expected NAME=value")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found
