"""What an administrator says to any Kafka cluster: topics, users, access lists, quotas.

One topic per agency, ``egov.events.v1.<agency_id>``. The user ``agency-<agency_id>`` (and one more per
system of the agency, ``agency-<agency_id>.<system>``) may WRITE and DESCRIBE that topic and nothing else;
since Kafka 2.8 WRITE on a topic covers what the idempotent producer needs. The national evaluator writes alike to
``egov.assessments.v1``, as the user ``evaluator``.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError, KafkaTimeoutError

from broker.node import SCRAM_ITERATIONS
from broker.quotas import producer_rates, set_producer_rates
from contracts.errors import MizanError, TryAgain, UsageError
from contracts.keys import keep_secret, read_secret
from contracts.settings import EVALUATOR, TOPIC_PREFIX, KafkaLogin, Settings, agency_id
from contracts.topics import topic_of

PARTITIONS = 3
EVALUATOR_PARTITIONS = 1
# One request of this many agencies stays far below a controller's limit of records per operation.
BATCH = 100
CONNECT_SECONDS = 10.0
EFFECTIVE_SECONDS = 20.0
TOPIC_CONFIGURATION = {
    # Said outright, because a cluster's defaults may be others: compaction would drop events that share a key …
    "cleanup.policy": "delete",
    "retention.ms": str(7 * 24 * 3600 * 1000),
    # … and retention by the producer's clock would delete an old event that is sent late before it lands.
    "message.timestamp.type": "LogAppendTime",
}
_USER = re.compile(r"agency-([a-z][a-z0-9-]{1,39})(?:\.([a-z][a-z0-9-]{1,39}))?")


@dataclass(frozen=True)
class Onboarded:
    """An agency's access. ``password`` is None where the user was there already: it is issued once."""

    agency_id: str
    system: str | None
    topic: str
    username: str
    password: str | None = field(repr=False)


@dataclass(frozen=True)
class Access:
    """One agency as the cluster knows it. ``byte_rate`` is the agency user's produce quota, bytes a second."""

    agency_id: str
    topic: str
    partitions: int
    usernames: list[str]
    byte_rate: int | None


def user_of(agency: str, system: str | None = None) -> str:
    """The Kafka user of an agency, of one of its systems, or of the evaluator."""
    user = EVALUATOR if agency == EVALUATOR else f"agency-{agency}"
    return user if system is None else f"{user}.{system}"


def add_agency(settings: Settings, agency: str, system: str | None = None, partitions: int = PARTITIONS) -> Onboarded:
    """Give one agency, or one system of it, its topic and access. As ``add_agencies``."""
    return add_agencies(settings, [agency], system=system, partitions=partitions)[0]


def add_agencies(
    settings: Settings, agencies: Sequence[str], *, system: str | None = None, partitions: int = PARTITIONS
) -> list[Onboarded]:
    """Topic, user, access and quota for every agency, in its order; only what is missing is made.

    An access that is there already changes in nothing: no new password, the same partitions, the same
    quota. Comes back when the cluster answers with the new state. Raises UsageError on a malformed id
    (before anything is written), TryAgain where the cluster does not answer, MizanError where it refuses.
    """
    for agency in agencies:
        agency_id(agency)
    if system is not None:
        _system_id(system)
    with _administrator(settings.kafka_admin()) as admin:
        access: list[Onboarded] = []
        for begin in range(0, len(agencies), BATCH):
            access += _add(admin, settings, agencies[begin : begin + BATCH], system, partitions)
        return access


def add_evaluator(settings: Settings, system: str | None = None) -> Onboarded:
    """Give the national evaluator, or one system of it, its topic and access. As ``add_agencies``."""
    with _administrator(settings.kafka_admin()) as admin:
        (access,) = _add(admin, settings, [EVALUATOR], system and _system_id(system), EVALUATOR_PARTITIONS)
        return access


def rotate(settings: Settings, agency: str, system: str | None = None) -> Onboarded:
    """Issue a new password. Sessions that are open go on until they log in again; nothing is lost meanwhile.

    Raises UsageError where the user is not there.
    """
    user = user_of(_sender_id(agency), system and _system_id(system))
    with _administrator(settings.kafka_admin()) as admin:
        if user not in admin.describe_user_scram_credentials():
            add = "mizan evaluator add" if agency == EVALUATOR else f"mizan agency add {agency}"
            raise UsageError(f"no such user: {user}", hint=add)
        password = secrets.token_urlsafe(24)
        _set_passwords(admin, {user: password})
        _await_login(settings.kafka_admin(), user, password)
        return Onboarded(agency, system, topic_of(agency), user, password)


def revoke(settings: Settings, agency: str, system: str | None = None) -> list[str]:
    """Take away access: of one system, or of the agency with all its systems. Returns the users removed.

    The topic and its events stay. Open connections are refused from their next request on, because
    the access list goes first. Raises UsageError where there is no such user.
    """
    user = user_of(_sender_id(agency), system and _system_id(system))
    with _administrator(settings.kafka_admin()) as admin:
        known = admin.describe_user_scram_credentials()
        users = [name for name in known if name == user or (system is None and name.startswith(user + "."))]
        if not users:
            raise UsageError(f"no such user: {user}", hint="mizan agency ls")
        for _, _, error in admin.delete_acls([_all_of(name) for name in users]):
            if error.errno:
                raise MizanError(f"Kafka refused to remove access: {error.__name__}")
        _refuse_on(
            admin.alter_user_scram_credentials(
                [UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512) for name in users]
            )
        )
        set_producer_rates(admin, dict.fromkeys(users))
        _await(lambda: not _users_with_access(admin) & set(users), "the removed access is still listed")
        _await(lambda: not admin.describe_user_scram_credentials().keys() & set(users), "the users are still listed")
        return sorted(users)


def list_agencies(settings: Settings) -> list[Access]:
    """Every agency that has a topic, by id. One without usernames was revoked."""
    with _administrator(settings.kafka_admin()) as admin:
        users: dict[str, list[str]] = {}
        for name in admin.describe_user_scram_credentials():
            match = _USER.fullmatch(name)
            if match:
                users.setdefault(match[1], []).append(name)
        rates = producer_rates(admin)
        found = []
        for topic in admin.describe_topics():
            name = topic["name"]
            if name.startswith(TOPIC_PREFIX):
                agency = name.removeprefix(TOPIC_PREFIX)
                rate = rates.get(user_of(agency))
                found.append(
                    Access(
                        agency,
                        name,
                        len(topic["partitions"]),
                        sorted(users.get(agency, [])),
                        None if rate is None else int(rate),
                    )
                )
        return sorted(found, key=lambda access: access.agency_id)


def allow_pipeline(login: KafkaLogin, user: str, password: str) -> None:
    """Make sure of the pipeline's user: it reads ``egov.`` topics in ``mizan`` groups and writes nothing.

    ``login`` is the administrator's. An existing user keeps its password if ``password`` is the same.
    """
    topics = ResourcePattern(ResourceType.TOPIC, "egov.", ACLResourcePatternType.PREFIXED)
    groups = ResourcePattern(ResourceType.GROUP, "mizan", ACLResourcePatternType.PREFIXED)
    cluster = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster")
    wanted = [
        _allow(user, ACLOperation.READ, topics),
        _allow(user, ACLOperation.DESCRIBE, topics),
        _allow(user, ACLOperation.READ, groups),
        _allow(user, ACLOperation.DESCRIBE, cluster),
    ]
    _allow_service(login, user, password, wanted)


def allow_gateway(settings: Settings) -> None:
    """Make sure of the HTTP gateway's user and password: it writes and sees agencies' topics and reads none.

    Raises UsageError where the settings name no such user or no file of its password.
    """
    login = settings.kafka_gateway()
    if login.username is None or login.password_file is None:
        raise UsageError("no Kafka user of the gateway is configured", hint="the local one: mizan broker up, once more")
    keep_secret(login.password_file, lambda: secrets.token_urlsafe(24))
    topics = ResourcePattern(ResourceType.TOPIC, TOPIC_PREFIX, ACLResourcePatternType.PREFIXED)
    wanted = [_allow(login.username, operation, topics) for operation in (ACLOperation.WRITE, ACLOperation.DESCRIBE)]
    _allow_service(settings.kafka_admin(), login.username, read_secret(login.password_file), wanted)


def _allow_service(login: KafkaLogin, user: str, password: str, wanted: list[ACL]) -> None:
    with _administrator(login) as admin:
        _create_acls(admin, wanted)
        if user not in admin.describe_user_scram_credentials() or not can_log_in(_as_user(login, user), password):
            _set_passwords(admin, {user: password})
            _await_login(login, user, password)


def can_log_in(login: KafkaLogin, password: str | None = None, *, seconds: float = 3.0) -> bool:
    """Whether the cluster takes this login within ``seconds`` (``password`` overrides the login's file)."""
    arguments = login.for_kafka_python()
    if password is not None:
        arguments["sasl_plain_password"] = password
    try:
        _connect(**arguments, bootstrap_timeout_ms=int(seconds * 1000)).close()
    except KafkaError:
        return False
    return True


def _connect(**arguments: Any) -> KafkaAdminClient:
    """An admin client; one that does not come about leaves no thread and no socket behind."""
    admin = KafkaAdminClient.__new__(KafkaAdminClient)
    try:
        # The constructor starts a thread, then logs in; where that fails, nobody would hold a client to close.
        admin.__init__(**arguments)
    except BaseException:
        if hasattr(admin, "_net"):
            admin._closed = False
            admin.close()
        raise
    return admin


def _add(
    admin: KafkaAdminClient, settings: Settings, agencies: Sequence[str], system: str | None, partitions: int
) -> list[Onboarded]:
    users = {agency: user_of(agency, system) for agency in agencies}
    topics = [topic_of(agency) for agency in users]
    known_topics, known_users = set(admin.list_topics()), set(admin.describe_user_scram_credentials())
    known_rates, known_acls = producer_rates(admin), _acls(admin)

    new_topics: dict[str, dict[str, Any]] = {
        # The cluster's own replication factor; one partition count for all of an agency's life.
        topic: {"num_partitions": partitions, "replication_factor": -1, "configs": TOPIC_CONFIGURATION}
        for topic in topics
        if topic not in known_topics
    }
    if new_topics:
        answer = admin.create_topics(new_topics, raise_errors=False)
        for made in answer["topics"]:
            # 36: somebody else made it in this moment, which is what we wanted.
            if made["error_code"] not in (0, 36):
                raise MizanError(f"Kafka refused topic {made['name']}: {made.get('error_message')}")
        admin.wait_for_topics(list(new_topics), timeout_ms=int(EFFECTIVE_SECONDS * 1000))

    wanted = [
        _allow(user, operation, ResourcePattern(ResourceType.TOPIC, topic_of(agency)))
        for agency, user in users.items()
        for operation in (ACLOperation.WRITE, ACLOperation.DESCRIBE)
    ]
    _create_acls(admin, [acl for acl in wanted if acl not in known_acls])
    rates = {user: settings.agency_byte_rate for user in users.values() if user not in known_rates}
    set_producer_rates(admin, rates)
    # Passwords last: whoever has one also has the access that goes with it.
    passwords = {user: secrets.token_urlsafe(24) for user in users.values() if user not in known_users}
    _set_passwords(admin, passwords)
    return [
        Onboarded(agency, system, topic_of(agency), users[agency], passwords.get(users[agency])) for agency in agencies
    ]


def _set_passwords(admin: KafkaAdminClient, passwords: dict[str, str]) -> None:
    if not passwords:
        return
    _refuse_on(
        admin.alter_user_scram_credentials(
            [
                UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password, iterations=SCRAM_ITERATIONS)
                for user, password in passwords.items()
            ]
        )
    )
    _await(
        lambda: passwords.keys() <= admin.describe_user_scram_credentials().keys(), "the new users are not listed yet"
    )


def _create_acls(admin: KafkaAdminClient, acls: list[ACL]) -> None:
    if not acls:
        return
    failed = admin.create_acls(acls)["failed"]
    if failed:
        raise MizanError(f"Kafka refused an access list: {failed[0].__name__}")
    wanted = set(acls)
    _await(lambda: wanted <= _acls(admin), "the new access is not listed yet")


def _acls(admin: KafkaAdminClient) -> set[ACL]:
    acls, _ = admin.describe_acls(_all_of(None))
    return set(acls)


def _users_with_access(admin: KafkaAdminClient) -> set[str]:
    return {acl.principal.removeprefix("User:") for acl in _acls(admin)}


def _all_of(user: str | None) -> ACLFilter:
    """A filter of every access entry of ``user``, or of everybody."""
    return ACLFilter(
        principal=None if user is None else f"User:{user}",
        host=None,
        operation=ACLOperation.ANY,
        permission_type=ACLPermissionType.ANY,
        resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
    )


def _allow(user: str, operation: ACLOperation, pattern: ResourcePattern) -> ACL:
    return ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, pattern)


def _await_login(login: KafkaLogin, user: str, password: str) -> None:
    _await(lambda: can_log_in(_as_user(login, user), password), f"the new login of {user} is not accepted yet")


def _as_user(login: KafkaLogin, user: str) -> KafkaLogin:
    return KafkaLogin(
        login.bootstrap_servers, login.security_protocol, login.sasl_mechanism, user, login.password_file, login.ca_file
    )


def _await(holds: Callable[[], bool], otherwise: str) -> None:
    """Poll: a change is durable when the controller answers, but each broker learns of it a little later."""
    deadline = time.monotonic() + EFFECTIVE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TryAgain(otherwise)
        time.sleep(0.02)


def _refuse_on(answers: dict[str, str | None]) -> None:
    for user, trouble in answers.items():
        if trouble is not None:
            raise MizanError(f"Kafka refused user {user}: {trouble}")


def _sender_id(text: str) -> str:
    return text if text == EVALUATOR else agency_id(text)


def _system_id(text: str) -> str:
    try:
        return agency_id(text)
    except UsageError as error:
        raise UsageError(f"not a system id: {text!r}", hint=error.hint) from error


@contextlib.contextmanager
def _administrator(login: KafkaLogin) -> Iterator[KafkaAdminClient]:
    """An admin client; what Kafka says becomes an error with one line and an exit code."""
    try:
        admin = _connect(**login.for_kafka_python(), bootstrap_timeout_ms=int(CONNECT_SECONDS * 1000))
    except KafkaTimeoutError as error:
        # A refused login looks the same to this client as a cluster that does not answer.
        raise TryAgain(
            f"no answer from Kafka at {login.bootstrap_servers} for user {login.username}",
            hint="is it up, and is the login right? The local one: mizan broker status",
        ) from error
    try:
        yield admin
    except KafkaTimeoutError as error:
        raise TryAgain(f"Kafka did not answer in time: {error}") from error
    except KafkaError as error:
        raise MizanError(f"Kafka refused: {error}") from error
    finally:
        admin.close()
