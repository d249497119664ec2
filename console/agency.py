"""`mizan agency`: give agencies access to Kafka, renew it, take it away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from console.output import JSON_OPTION, note, print_access, print_json, say_fields
from contracts.settings import Settings, agency_id

if TYPE_CHECKING:
    from broker.administration import Onboarded

commands = typer.Typer(no_args_is_help=True, help="Agencies' topics, users, access and bundles.")
OUT_OPTION = typer.Option(None, "--out", help="Write the bundle for the agency into this folder (0600).")
SYSTEM_OPTION = typer.Option(None, "--system", help="One system's own user instead of the agency's.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(commands, name="agency")


@commands.command("add")
def add(
    agency: str = typer.Argument(..., metavar="ID"),
    name_fa: str | None = typer.Option(None, help="Persian name, for an agency the catalogue does not know."),
    name_en: str | None = typer.Option(None, help="English name."),
    parent: str | None = typer.Option(None, help="The agency it belongs to, such as its ministry."),
    province: str | None = typer.Option(None, help="Place id of its province."),
    district: str | None = typer.Option(None, help="Place id of its district."),
    out: Path | None = OUT_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Topic, user, access and quota; again, it changes nothing. The password is printed once."""
    from broker.bundle import hand_out
    from catalogue.agencies import ensure_agency

    settings = Settings.load()
    agency_id(agency)
    if parent is not None:
        agency_id(parent)
    settings.kafka_admin()  # without a cluster nothing is begun
    # The catalogue first: if it refuses, no password was issued that nobody would ever see.
    ensure_agency(
        settings,
        agency,
        name_fa=name_fa,
        name_en=name_en,
        parent_id=parent,
        province=province,
        district=district,
    )
    access = hand_out(settings, agency, directory=out)
    _show(settings, access, out, as_json)


@commands.command("add-system")
def add_system(
    agency: str = typer.Argument(..., metavar="ID"),
    system: str = typer.Argument(..., metavar="SYSTEM"),
    out: Path | None = OUT_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """A user of its own for one system of the agency, on the agency's topic."""
    from broker.bundle import hand_out

    settings = Settings.load()
    _show(settings, hand_out(settings, agency_id(agency), system, out), out, as_json)


@commands.command("rotate")
def rotate(
    agency: str = typer.Argument(..., metavar="ID"),
    system: str | None = SYSTEM_OPTION,
    out: Path | None = OUT_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Issue a new password, printed once; open connections go on for an hour at most."""
    from broker.bundle import hand_out

    settings = Settings.load()
    _show(settings, hand_out(settings, agency_id(agency), system, out, renew=True), out, as_json)


@commands.command("revoke")
def revoke(
    agency: str = typer.Argument(..., metavar="ID"),
    system: str | None = SYSTEM_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Take away users and access, of its systems and at the gateway too; the topic and its events stay."""
    from broker import administration, bundle
    from gateway import logins

    settings = Settings.load()
    # The gateway's first: it writes with a login of its own, which the broker goes on to trust.
    at_gateway = logins.revoke(settings, agency, system)
    users = administration.revoke(settings, agency, system)
    for user in users:
        bundle.forget_kept(settings, user)
    if as_json:
        print_json({"agency_id": agency, "revoked": users, "gateway": at_gateway})
    else:
        note(f"revoked: {', '.join([*users, *at_gateway])}")


@commands.command("ls")
def ls(as_json: bool = JSON_OPTION) -> None:
    """Every agency that has a topic, its users and its quota in bytes a second."""
    from broker.administration import list_agencies

    agencies = list_agencies(Settings.load())
    if as_json:
        print_json([vars(access) for access in agencies])
        return
    for access in agencies:
        rate = "no quota" if access.byte_rate is None else f"{access.byte_rate} B/s"
        say_fields(access.agency_id, access.topic, ", ".join(access.usernames) or "revoked", rate)


def _show(settings: Settings, access: Onboarded, out: Path | None, as_json: bool) -> None:
    from contracts.keys import current_key_id

    document: dict[str, Any] = {
        "agency_id": access.agency_id,
        "system": access.system,
        "topic": access.topic,
        "username": access.username,
        "password": access.password,
        "user_key_id": current_key_id(settings),
        "transport_key_file": str(settings.transport_key_file),
    }
    print_access(document, out, renew_with="mizan agency rotate", as_json=as_json)
