"""`mizan gateway`: take events over HTTP, and who may send them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from console.output import JSON_OPTION, note, print_json, say, say_document, say_fields
from contracts.errors import UsageError
from contracts.settings import Settings, agency_id

if TYPE_CHECKING:
    from gateway.server import Certificates

commands = typer.Typer(no_args_is_help=True, help="The HTTP gateway of agencies that cannot open a Kafka connection.")
tokens = typer.Typer(no_args_is_help=True, help="Who may send through the gateway.")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORT = 8788
AGENCY_ARGUMENT = typer.Argument(..., metavar="AGENCY")
SYSTEM_OPTION = typer.Option(None, "--system", help="One system of the agency alone.")
PORT_OPTION = typer.Option(PORT, "--port", min=1, max=65535)
HOST_OPTION = typer.Option("127.0.0.1", "--host", help="The address to listen on.")
CERTIFICATE_OPTION = typer.Option(None, "--certificate", help="PEM file of the gateway's certificate and chain.")
KEY_OPTION = typer.Option(None, "--key", help="PEM file of its key, 0600.")
CLIENT_CA_OPTION = typer.Option(None, "--client-ca", help="PEM file of the authority of agencies' certificates.")
PROXY_OPTION = typer.Option(False, "--behind-proxy", help="Without TLS beyond this machine: a proxy before it has it.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    commands.add_typer(tokens, name="token")
    app.add_typer(commands, name="gateway")


@commands.command("run")
def run(
    port: int = PORT_OPTION,
    host: str = HOST_OPTION,
    certificate: Path | None = CERTIFICATE_OPTION,
    key: Path | None = KEY_OPTION,
    client_ca: Path | None = CLIENT_CA_OPTION,
    behind_proxy: bool = PROXY_OPTION,
) -> None:
    """Take events until stopped (`up` does so in the background); on this machine alone unless told otherwise."""
    from gateway.server import serve

    settings = Settings.load()
    certificates = _certificates(certificate, key, client_ca)
    if host not in LOOPBACK and certificates is None and not behind_proxy:
        raise UsageError("tokens would travel in the clear", hint="--certificate and --key, or --behind-proxy")
    note(f"{'http' if certificates is None else 'https'}://{host}:{port}/v1/events  (Ctrl-C stops it)")
    serve(settings, host=host, port=port, certificates=certificates)


@commands.command("up")
def up(port: int = PORT_OPTION) -> None:
    """Start it in the background, on this machine alone, or find it running; returns when it listens."""
    from gateway import background

    log = background.up(Settings.load(), port)
    say(f"http://127.0.0.1:{port}/v1/events, log {log}")


@commands.command("down")
def down() -> None:
    """Stop the one in the background, when it has answered what it has in work."""
    from gateway import background

    note("the gateway is stopped" if background.down(Settings.load()) else "no gateway was running")


@tokens.command("add")
def add(
    agency: str = AGENCY_ARGUMENT,
    system: str | None = SYSTEM_OPTION,
    certificate: bool = typer.Option(False, "--certificate", help="Let in a client certificate instead of a token."),
    as_json: bool = JSON_OPTION,
) -> None:
    """A new token, printed once; or, with --certificate, the name that a client certificate must bear."""
    from broker.administration import allow_gateway, list_agencies
    from gateway import logins

    settings = Settings.load()
    for name in (agency, system) if system is not None else (agency,):
        agency_id(name)
    if agency not in {access.agency_id for access in list_agencies(settings) if access.usernames}:
        raise UsageError(f"{agency} has no topic, or no access to it", hint=f"mizan agency add {agency}")
    allow_gateway(settings)
    text = None
    if certificate:
        login = logins.allow_certificate(settings, agency, system)
    else:
        login, text = logins.add_token(settings, agency, system)
    document = {"agency_id": agency, "system": system, "kind": login.kind, "name": login.name, "token": text}
    if as_json:
        print_json(document)
        return
    say_document(document)
    if text is not None:
        note("the token is shown this once; keep it now")


@tokens.command("revoke")
def revoke(
    agency: str = AGENCY_ARGUMENT,
    system: str | None = SYSTEM_OPTION,
    name: str | None = typer.Option(None, "--name", help="Only this one, as mizan gateway token ls names it."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Take logins away: all of the agency, or of one system, or one of them. Out within a second."""
    from gateway import logins

    gone = logins.revoke(Settings.load(), agency, system, name)
    if not gone:
        raise UsageError(f"{agency} has no such login at the gateway", hint="mizan gateway token ls")
    if as_json:
        print_json({"agency_id": agency, "revoked": gone})
    else:
        note(f"revoked: {', '.join(gone)}")


@tokens.command("ls")
def ls(as_json: bool = JSON_OPTION) -> None:
    """Every login: whose it is, its kind and name, since when. Never a token."""
    from gateway.logins import list_logins

    found = [
        {"agency_id": one.agency_id, "system": one.system, "kind": one.kind, "name": one.name, "made": one.made}
        for one in list_logins(Settings.load())
    ]
    if as_json:
        print_json(found)
        return
    for row in found:
        say_fields(*(value or "-" for value in row.values()))


def _certificates(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Certificates | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise UsageError("TLS needs --certificate and --key")
    from contracts.keys import read_secret
    from gateway.server import Certificates

    read_secret(key)  # its owner's alone, or nothing starts
    return Certificates(certificate, key, client_ca)
