"""A certificate that cannot be trusted is named: the Kafka client calls it a timeout."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.certificates import Certificates, ensure_certificates
from contracts.errors import TryAgain
from contracts.settings import KafkaLogin
from producers.publisher import Publisher


@contextmanager
def listening(files: Certificates) -> Iterator[int]:
    """A port of loopback that shows the node's certificate to whoever connects, and says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.node)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_an_expired_certificate_is_called_that(tmp_path: Path):
    files = ensure_certificates(tmp_path, dt.datetime.now(dt.UTC) - dt.timedelta(days=407))
    with listening(files) as port:
        login = KafkaLogin(f"127.0.0.1:{port}", "SSL", None, None, None, files.ca)
        with pytest.raises(TryAgain, match="certificate has expired"):
            Publisher("tax-north", login, answer_seconds=1.0)
