"""What a broker says of a login when asked for nothing else.

The client's own producer cannot be asked: it calls every trouble a timeout, and often sees the connection end before it
reads why. A cut connection alone says nothing: what forwards connections takes and cuts them while the broker is down.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from contracts.errors import UsageError
from contracts.settings import KafkaLogin

_REFUSED = SaslAuthenticationFailedError.errno


def addresses(login: KafkaLogin) -> Iterator[tuple[str, int]]:
    """Hosts and ports of the login's bootstrap servers. UsageError where one is no address."""
    for address in map(str.strip, login.bootstrap_servers.split(",")):
        host, _, port = address.rpartition(":")
        try:
            yield host.strip("[]"), int(port)
        except ValueError:
            raise UsageError(f"not an address: {address!r}", hint="host:port, several with commas") from None


def is_refused(login: KafkaLogin, seconds: float) -> bool:
    """True where a broker answers within ``seconds`` that user or password is wrong; False for anything else."""
    if login.sasl_mechanism is None:
        return False
    deadline = time.monotonic() + seconds
    for host, port in addresses(login):
        seconds_left = max(0.1, deadline - time.monotonic())
        with contextlib.suppress(OSError), connected(login, host, port, seconds_left) as connection:
            return _authenticate(connection, login, host)
    return False


@contextlib.contextmanager
def connected(login: KafkaLogin, host: str, port: int, seconds: float) -> Iterator[socket.socket]:
    """A connection to one address, under TLS where the login asks for it. OSError where there is none."""
    with socket.create_connection((host, port), seconds) as plain:
        if not login.security_protocol.endswith("SSL"):
            yield plain
            return
        context = ssl.create_default_context(cafile=None if login.ca_file is None else str(login.ca_file))
        with context.wrap_socket(plain, server_hostname=host) as wrapped:
            yield wrapped


def _authenticate(connection: socket.socket, login: KafkaLogin, host: str) -> bool:
    """Log in as far as it goes; whether the broker refused. OSError where it ends the connection instead."""
    protocol = KafkaProtocol(client_id="mizan-login")
    mechanism = get_sasl_mechanism(login.sasl_mechanism)(host=host, **login.for_kafka_python())
    _ask(connection, protocol, SaslHandshakeRequest(version=1, mechanism=login.sasl_mechanism))
    while not mechanism.is_done():
        token = mechanism.auth_bytes()
        answer = _ask(connection, protocol, SaslAuthenticateRequest(version=1, auth_bytes=token))
        if answer.error_code:
            return bool(answer.error_code == _REFUSED)
        mechanism.receive(answer.auth_bytes)
    return False


def _ask(connection: socket.socket, protocol: Any, request: Any) -> Any:
    protocol.send_request(request)
    connection.sendall(protocol.send_bytes())
    while received := connection.recv(65_536):
        for _, answer in protocol.receive_bytes(received):
            return answer
    raise ConnectionError("the broker ended the connection")
