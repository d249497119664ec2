"""To the broker: the only file that opens a KafkaProducer."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections import deque
from types import TracebackType
from typing import Any

from kafka import KafkaProducer
from kafka.codec import has_zstd
from kafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
)
from kafka.net.compat import KafkaNetClient
from kafka.partitioner import StickyPartitioner

from contracts.errors import MizanError, TryAgain, UsageError
from contracts.settings import KafkaLogin
from contracts.topics import topic_of
from producers.login_answer import addresses, connected, is_refused

ANSWER_SECONDS = 15.0
DELIVERY_SECONDS = 120.0
BATCH_BYTES = 128 * 1024
# Events handed over and not acknowledged: enough to keep the broker busy.
MOST_WAITING = 50_000
# A first try this short tells a wrong password early; a broker under load gets the rest of ANSWER_SECONDS.
_FIRST_TRY_SECONDS = 3.0
# A broker that restarts is waited for this long; one that listens but is slow gets ANSWER_SECONDS.
_LISTEN_SECONDS = 3.0
_PAUSE_SECONDS = 0.25


class Publisher:
    """One agency's connection. Idempotent, acks=all: an acknowledged event is on every in-sync replica, once.

    EVALUATOR is a name too. Opening raises UsageError where the broker refuses the login, TryAgain where none answers.
    """

    def __init__(
        self,
        agency_id: str,
        login: KafkaLogin,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        delivery_seconds: float = DELIVERY_SECONDS,
        linger_ms: int = 20,
    ) -> None:
        self.topic = topic_of(agency_id)
        self._login = login
        self._producer = _open(
            login,
            answer_seconds,
            client_id=f"mizan-{agency_id}",
            acks="all",
            enable_idempotence=True,
            compression_type="zstd" if has_zstd() else "gzip",
            linger_ms=linger_ms,
            batch_size=BATCH_BYTES,
            partitioner=StickyPartitioner(),
            delivery_timeout_ms=int(delivery_seconds * 1000),
            request_timeout_ms=int(min(30.0, delivery_seconds / 2) * 1000),
            max_block_ms=int(delivery_seconds * 1000),
            allow_auto_create_topics=False,
            reconnect_backoff_max_ms=2_000,
            metrics_enabled=False,
        )
        self._sent: deque[Any] = deque()
        self._acknowledged = 0

    def send(self, value: bytes) -> None:
        """Hand over one event; it travels in the background until ``flush``. Blocks while MOST_WAITING others do."""
        try:
            self._make_room()
            self._sent.append(self._producer.send(self.topic, value=value))
        except KafkaError as error:
            # Nobody will flush these any more: the caller sends them again.
            self._forget()
            raise self._explained(error) from error

    def _make_room(self) -> None:
        """Forget what arrived, and wait where too much has not: the client itself holds whatever it is given."""
        while self._sent and (self._sent[0].succeeded() or len(self._sent) >= MOST_WAITING):
            self._sent[0].get(timeout=DELIVERY_SECONDS)  # raises where it failed
            self._sent.popleft()
            self._acknowledged += 1

    def _forget(self) -> None:
        self._sent.clear()
        self._acknowledged = 0

    def flush(self) -> int:
        """Wait for everything handed over and return how many events were acknowledged without a hole.

        Events after the first failure may have arrived too; they are to be sent again. Raises nothing for
        a failure if at least one event got through: the next flush, or the next send, will.
        """
        sent, acknowledged = list(self._sent), self._acknowledged
        self._forget()
        try:
            self._producer.flush(timeout=DELIVERY_SECONDS)
        except KafkaError as error:
            raise self._explained(error) from error
        for future in sent:
            if not future.succeeded():
                if acknowledged:
                    return acknowledged
                raise self._explained(future.exception or KafkaTimeoutError("no acknowledgement in time"))
            acknowledged += 1
        return acknowledged

    def arrival(self, value: bytes) -> float:
        """Send one event and wait; when the broker wrote it down, in seconds since 1970 of its clock. As ``flush``."""
        try:
            return float(self._producer.send(self.topic, value=value).get(timeout=DELIVERY_SECONDS).timestamp) / 1000
        except KafkaError as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Give up the connection; what was not flushed may be lost."""
        self._producer.close(timeout=5)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _explained(self, error: Exception) -> MizanError:
        """What the operator reads. The idempotent producer names a denied topic only by the cluster's error."""
        text = f"{type(error).__name__} {error}"
        denied = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
        if isinstance(error, denied) or any(kind.__name__ in text for kind in denied):
            return UsageError(
                f"{self._login.username} may not write to {self.topic}",
                hint="each agency writes to its own topic alone",
            )
        if isinstance(error, SaslAuthenticationFailedError) or SaslAuthenticationFailedError.__name__ in text:
            return _refused(self._login)
        return TryAgain(f"the broker did not take the events: {text.strip()}")


def _open(login: KafkaLogin, answer_seconds: float, **options: Any) -> Any:
    """A connected KafkaProducer. The client says 'timeout' for every trouble, so the broker itself is asked which."""
    _await_listener(login, time.monotonic() + min(answer_seconds, _LISTEN_SECONDS))
    _check_certificate(login)
    deadline = time.monotonic() + answer_seconds
    wait = min(_FIRST_TRY_SECONDS, answer_seconds)
    while True:
        try:
            return _connected(**login.for_kafka_python(), bootstrap_timeout_ms=int(wait * 1000), **options)
        except KafkaTimeoutError as error:
            if is_refused(login, _FIRST_TRY_SECONDS):
                raise _refused(login) from None
            wait = deadline - time.monotonic()
            if wait <= 0.5:
                raise _silent(login) from error
        except KafkaError as error:
            raise TryAgain(f"Kafka at {login.bootstrap_servers}: {error}") from error


def _await_listener(login: KafkaLogin, deadline: float) -> None:
    """Wait until one of the addresses takes a connection. The client would leave a socket open for every refusal."""
    while True:
        for address in addresses(login):
            with contextlib.suppress(OSError):
                socket.create_connection(address, max(0.1, deadline - time.monotonic())).close()
                return
        if time.monotonic() + _PAUSE_SECONDS >= deadline:
            raise _silent(login)
        time.sleep(_PAUSE_SECONDS)


def _check_certificate(login: KafkaLogin) -> None:
    """Raise TryAgain where no certificate shown to us can be trusted: the client would call that a timeout."""
    if not login.security_protocol.endswith("SSL"):
        return
    for host, port in addresses(login):
        try:
            with connected(login, host, port, _FIRST_TRY_SECONDS):
                return
        except ssl.SSLCertVerificationError as error:
            trouble = error.verify_message
        except OSError:
            return  # the client knows what to make of it
    raise TryAgain(
        f"the certificate of Kafka at {login.bootstrap_servers} cannot be trusted: {trouble}",
        hint="expired: the platform renews it; self-signed: is ca.pem of the bundle the newest?",
    )


def _silent(login: KafkaLogin) -> TryAgain:
    return TryAgain(
        f"no answer from Kafka at {login.bootstrap_servers}", hint="is the broker up, and the address right?"
    )


def _connected(**options: Any) -> Any:
    """A KafkaProducer, or its error with nothing left open: its own constructor forgets the sockets it opened."""
    clients: list[Any] = []

    def remembered(**configuration: Any) -> Any:
        clients.append(KafkaNetClient(**configuration))
        return clients[-1]

    try:
        return KafkaProducer(kafka_client=remembered, **options)
    except BaseException:
        for client in clients:
            client.close()
        raise


def _refused(login: KafkaLogin) -> UsageError:
    return UsageError(
        f"authentication failed: Kafka at {login.bootstrap_servers} refuses the login of {login.username}",
        hint="check user and password; a new password: mizan agency rotate",
    )
