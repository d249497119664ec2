"""What an agency is handed: one folder with all it needs to send events, every file 0600.

``bundle.json`` is for programs (file names in it are relative to the folder), the rest for people and for
other Kafka clients. Whoever holds the folder can write the agency's topic and key persons like every
agency of the counting domain: it travels as a secret.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template

from broker.administration import Onboarded, add_agencies, add_agency, add_evaluator, rotate, user_of
from contracts.errors import UsageError
from contracts.event_contract import event_contract
from contracts.keys import current_key_id, read_key, read_secret, secret_folder, write_secret
from contracts.settings import EVALUATOR, Settings
from contracts.topics import topic_of

PASSWORD_FILE = "password"  # noqa: S105 a file's name
# The second login of an agency whose first one was issued elsewhere: simulating must never rotate a real login.
SIMULATOR = "simulator"

JAVA_PROPERTIES = Template("""\
# For Java clients and Kafka's own tools, run in this folder: --command-config client.properties
bootstrap.servers=$bootstrap
security.protocol=$security_protocol
sasl.mechanism=$sasl_mechanism
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="$username" \
password="$password";
ssl.truststore.type=PEM
ssl.truststore.location=ca.pem
acks=all
enable.idempotence=true
""")

LIBRDKAFKA_PROPERTIES = Template("""\
# For kcat (-F librdkafka.properties), confluent-kafka and other librdkafka clients, run in this folder.
bootstrap.servers=$bootstrap
security.protocol=$security_protocol
sasl.mechanisms=$sasl_mechanism
sasl.username=$username
sasl.password=$password
ssl.ca.location=ca.pem
enable.idempotence=true
""")

PYTHON_EXAMPLE = Template('''\
"""Send one completed transaction of $agency_id. Needs the package egov-mizan: python example.py"""

import uuid
from pathlib import Path

from producers import Agency

with Agency.from_bundle(Path(__file__).parent) as agency:
    agency.completed(
        transaction_id=f"example-{uuid.uuid4()}",
        service_id="your-service-id",
        channel="portal",
        outcome="accepted",
        person="nid:0013542419",  # turned into a key here; the number itself never leaves this machine
    )
''')

JAVA_EXAMPLE = Template("""\
// Send one completed transaction of $agency_id with nothing but org.apache.kafka:kafka-clients.
// Run in the bundle's folder: java -cp 'kafka-clients.jar:slf4j-api.jar' Example.java
import java.io.FileReader;
import java.time.Instant;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

public class Example {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        try (FileReader file = new FileReader("client.properties")) {
            settings.load(file);
        }
        String id = UUID.randomUUID().toString();
        String event = String.format(
            "{\\"specversion\\": \\"1.0\\", \\"id\\": \\"%s\\", \\"source\\": \\"$source\\", "
                + "\\"type\\": \\"ir.egov.transaction.completed.v1\\", \\"time\\": \\"%s\\", \\"data\\": "
                + "{\\"transaction_id\\": \\"example-%s\\", \\"service_id\\": \\"your-service-id\\", "
                + "\\"channel\\": \\"portal\\", \\"outcome\\": \\"accepted\\"}}", id, Instant.now(), id);
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            // get() waits for the broker's acknowledgement; without it a refusal would go unseen.
            producer.send(new ProducerRecord<>("$topic", id, event)).get();
        }
        System.out.println("sent " + id);
    }
}
""")


def kept_folder(settings: Settings, agency: str, system: str | None = None) -> Path:
    """Where this machine keeps an agency's bundle for ``mizan send`` and ``mizan simulate``."""
    return settings.home / "agencies" / (agency if system is None else f"{agency}.{system}")


def write_bundle(settings: Settings, directory: Path, access: Onboarded) -> Path:
    """Write the bundle of ``access`` (which must carry its password) into ``directory``; return it.

    The evaluator's has no transport key and no examples: it speaks of no person, and its files are sent by
    ``mizan evaluator send``. Raises UsageError where the password is missing, or the transport key is missing or badly
    kept. ``bundle.json`` is written last: a folder with it is whole.
    """
    of_agency = access.agency_id != EVALUATOR
    if access.password is None:
        renew = f"mizan agency rotate {access.agency_id}" if of_agency else "mizan evaluator rotate"
        raise UsageError(f"no password of {access.username} is at hand", hint=renew)
    transport_key = read_key(settings.transport_key_file).hex() if of_agency else ""
    login = settings.kafka_admin()
    document = _document(settings, access)
    words = {
        **{name: value for name, value in document.items() if isinstance(value, str)},
        "password": access.password,
        "source": f"/agencies/{access.agency_id}" + (f"/{access.system}" if access.system else ""),
    }
    java, librdkafka = JAVA_PROPERTIES.substitute(words), LIBRDKAFKA_PROPERTIES.substitute(words)
    secret_folder(directory)
    if login.ca_file is not None:
        write_secret(directory / "ca.pem", login.ca_file.read_text(encoding="ascii").strip())
    else:
        # The cluster's certificate comes from a public authority: clients then use the system's store.
        java, librdkafka = (_without(text, "ssl.") for text in (java, librdkafka))
    write_secret(directory / PASSWORD_FILE, access.password)
    write_secret(directory / "client.properties", java.strip())
    write_secret(directory / "librdkafka.properties", librdkafka.strip())
    if of_agency:
        write_secret(directory / "transport.key", transport_key)
        write_secret(directory / "user_key_id", document["user_key_id"] or "")
        write_secret(directory / "example.py", PYTHON_EXAMPLE.substitute(words).strip())
        write_secret(directory / "Example.java", JAVA_EXAMPLE.substitute(words).strip())
    write_secret(directory / "bundle.json", json.dumps(document, indent=2))
    return directory


def kept_password(settings: Settings, agency: str, system: str | None = None) -> str | None:
    """The password this machine keeps for an agency, or None."""
    path = kept_folder(settings, agency, system) / PASSWORD_FILE
    return read_secret(path) if path.exists() else None


def forget_kept(settings: Settings, username: str) -> None:
    """Remove the bundle this machine keeps for a Kafka user, where there is one."""
    folder = settings.home / "agencies" / username.removeprefix("agency-")
    if (folder / "bundle.json").exists():
        shutil.rmtree(folder)


def keep_bundles(settings: Settings, agencies: Sequence[str]) -> dict[str, Path]:
    """Onboard the agencies that are not yet, and have a bundle of each on this machine: id to folder.

    For simulation and import. An agency whose login was issued elsewhere keeps it; a second login,
    ``agency-<id>.simulator``, is made for this machine. Errors as ``add_agencies``.
    """
    read_key(settings.transport_key_file)
    folders: dict[str, Path] = {}
    elsewhere = []
    for access in add_agencies(settings, agencies):
        password = access.password or kept_password(settings, access.agency_id)
        if password is None:
            elsewhere.append(access.agency_id)
            continue
        folders[access.agency_id] = _keep(settings, access, password)
    for access in add_agencies(settings, elsewhere, system=SIMULATOR) if elsewhere else []:
        password = access.password or kept_password(settings, access.agency_id, SIMULATOR)
        if password is None:
            # This login serves simulation alone, so a new password locks nobody out.
            password = rotate(settings, access.agency_id, SIMULATOR).password or ""
        folders[access.agency_id] = _keep(settings, access, password)
    return {agency: folders[agency] for agency in agencies}


def renew_kept(settings: Settings) -> list[str]:
    """Write the bundles that this machine keeps anew where they are not what they would be now; their agencies."""
    renewed = []
    for page in sorted((settings.home / "agencies").glob("*/bundle.json")):
        document = json.loads(read_secret(page))
        agency, system = document["agency_id"], document["system"]
        password = kept_password(settings, agency, system)
        if agency != EVALUATOR and password is not None:
            access = Onboarded(agency, system, document["topic"], document["username"], password)
            _keep(settings, access, password)
            renewed.append(agency)
    return renewed


def keep_evaluator(settings: Settings) -> Path:
    """Onboard the national evaluator and have its bundle on this machine; its folder. As ``keep_bundles``."""
    access = add_evaluator(settings)
    password = access.password or kept_password(settings, EVALUATOR)
    if password is None:
        access = add_evaluator(settings, SIMULATOR)
        password = access.password or kept_password(settings, EVALUATOR, SIMULATOR)
    if password is None:
        password = rotate(settings, EVALUATOR, SIMULATOR).password or ""
    return _keep(settings, access, password)


def hand_out_to_evaluator(settings: Settings, directory: Path | None = None, *, renew: bool = False) -> Onboarded:
    """As ``hand_out``, for the national evaluator."""
    if directory is not None:
        secret_folder(directory)
    access = rotate(settings, EVALUATOR) if renew else add_evaluator(settings)
    return _handed(settings, access, directory, "mizan evaluator rotate")


def hand_out(
    settings: Settings, agency: str, system: str | None = None, directory: Path | None = None, *, renew: bool = False
) -> Onboarded:
    """Add an agency (or, with ``renew``, issue a new password) and write its bundles.

    One bundle goes to ``directory`` if given. With the local broker one is also kept on this machine, so
    that ``mizan send`` works here at once: the administrator's password lies in the same folder tree,
    so nothing is lost by it. Raises UsageError, before anything is issued, where a bundle could not be written,
    and where ``directory`` is wanted for a login whose password is known to nobody here any more.
    """
    read_key(settings.transport_key_file)
    if directory is not None:
        write_secret(secret_folder(directory) / "user_key_id", current_key_id(settings))
    access = rotate(settings, agency, system) if renew else add_agency(settings, agency, system)
    return _handed(settings, access, directory, f"mizan agency rotate {agency}")


def _handed(settings: Settings, access: Onboarded, directory: Path | None, rotating: str) -> Onboarded:
    password = access.password or kept_password(settings, access.agency_id, access.system)
    if password is not None and settings.values["KAFKA_BOOTSTRAP_SERVERS"] is None:
        _keep(settings, access, password)
    if directory is not None:
        if password is None:
            raise UsageError(
                f"the password of {access.username} was issued before and is not kept here",
                hint=f"issue a new one: {rotating} --out {directory}",
            )
        write_bundle(settings, directory, _with_password(access, password))
    return access


def _document(settings: Settings, access: Onboarded) -> dict[str, str | None]:
    """``bundle.json`` of an access."""
    login = settings.kafka_admin()
    return {
        "agency_id": access.agency_id,
        "system": access.system,
        "topic": access.topic,
        "bootstrap": login.bootstrap_servers,
        "security_protocol": login.security_protocol,
        "sasl_mechanism": login.sasl_mechanism,
        "username": access.username,
        "password_file": PASSWORD_FILE,
        "ca_file": "ca.pem" if login.ca_file is not None else None,
        "transport_key_file": None if access.agency_id == EVALUATOR else "transport.key",
        "user_key_id": None if access.agency_id == EVALUATOR else current_key_id(settings),
        "contract_version": event_contract().version,
    }


def _keep(settings: Settings, access: Onboarded, password: str) -> Path:
    folder = kept_folder(settings, access.agency_id, access.system)
    secret_folder(folder.parent)
    # Compared, not just looked for: the broker's port or the key id may have changed since.
    if (
        (folder / "bundle.json").exists()
        and json.loads(read_secret(folder / "bundle.json")) == _document(settings, access)
        and kept_password(settings, access.agency_id, access.system) == password
        and (
            access.agency_id == EVALUATOR or read_key(folder / "transport.key") == read_key(settings.transport_key_file)
        )
    ):
        return folder
    return write_bundle(settings, folder, _with_password(access, password))


def _with_password(access: Onboarded, password: str) -> Onboarded:
    agency, system = access.agency_id, access.system
    return Onboarded(agency, system, topic_of(agency), user_of(agency, system), password)


def _without(text: str, prefix: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(prefix))
