"""`mizan catalogue` and `mizan import`: what agencies, places and services there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from console.output import JSON_OPTION, Grid, note, print_json, say, show_grid
from contracts.errors import MizanError, TryAgain, UsageError
from contracts.settings import Settings

if TYPE_CHECKING:
    from fractions import Fraction

    from catalogue.load import Loaded
    from producers.canada_inventory import Inventory
    from producers.publisher import Publisher

catalogue_commands = typer.Typer(no_args_is_help=True, help="Agencies, places, services, mandates, evaluations.")
import_commands = typer.Typer(no_args_is_help=True, help="Real open data: catalogue, declarations and events.")
TO_OPTION = typer.Option("kafka", "--to", metavar="kafka|DIR", help="Stream to the broker, or write files.")
DIRECTORY_ARGUMENT = typer.Argument(..., metavar="DIR")
TABLE_ARGUMENT = typer.Argument(..., metavar="TABLE", help="places, agencies, services, mandates, …")
IDS_ARGUMENT = typer.Argument(None, metavar="[ID]…", help="Only these.")
AS_OF_OPTION = typer.Option(None, "--as-of", metavar="DATE", help="Only what is valid on that day, as 2020-03-20.")
FILE_ARGUMENT = typer.Argument(None, help="The inventory's CSV; by default the file that comes along.")
# Handed to the client before its acknowledgements are awaited: bounds the memory at any scale.
AT_ONCE = 20_000


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(catalogue_commands, name="catalogue")
    app.add_typer(import_commands, name="import")


@catalogue_commands.command("load")
def load(directory: Path = DIRECTORY_ARGUMENT, as_json: bool = JSON_OPTION) -> None:
    """Replace what the catalogue's files say by the CSV files in DIR; files that are absent change nothing."""
    from catalogue.load import load_directory

    loaded = load_directory(Settings.load(), directory)
    if as_json:
        print_json(_counts(loaded))
        return
    for name, counts in loaded.tables.items():
        say(
            f"{name:<12} {counts.added} added, {counts.changed} changed, "
            f"{counts.removed} removed, {counts.unchanged} unchanged"
        )
    for remark in loaded.remarks:
        note(f"note: {remark}")


@catalogue_commands.command("ls")
def ls(as_json: bool = JSON_OPTION) -> None:
    """How many rows each table holds, by the register that is heard."""
    from collections import Counter

    from catalogue.read import current
    from catalogue.tables import tables

    catalogue = current(Settings.load())
    rows = [
        {"table": name, "register": register, "rows": count}
        for name in tables()
        for register, count in sorted(Counter(row["loaded_from"] for row in catalogue.rows(name)).items())
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        say(f"{row['table']:<12} {row['rows']:>8}  {row['register']}")


@catalogue_commands.command("show")
def show(
    table: str = TABLE_ARGUMENT,
    ids: list[str] | None = IDS_ARGUMENT,
    as_of: str | None = AS_OF_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """The rows of a table with every version, or those valid on a day; blank is what nobody told."""
    from catalogue.read import chosen, current
    from catalogue.tables import tables

    rows = chosen(current(Settings.load()), table, ids or (), as_of)
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no such rows")
        return

    told = [name for name in rows[0] if name != "loaded_at" and any(row[name] is not None for row in rows)]
    shown = Grid()
    for name in told:
        # An id cut short is none: keys keep their line, and anything else folds.
        shown.add_column(name, overflow="fold", no_wrap=name in tables()[table].key)
    for row in rows:
        shown.add_row(*("" if row[name] is None else str(row[name]) for name in told))
    show_grid(shown)


@catalogue_commands.command("export")
def export(directory: Path = DIRECTORY_ARGUMENT, as_json: bool = JSON_OPTION) -> None:
    """Write the catalogue as CSV files that `mizan catalogue load` takes; tables without rows get no file."""
    from catalogue.read import current

    catalogue = current(Settings.load())
    written = _write_catalogue(directory, {name: getattr(catalogue, name) for name in vars(catalogue)})
    if as_json:
        print_json(written)
        return
    for name, count in written.items():
        say(f"{directory / name}: {count} rows")


@import_commands.command("canada-service-inventory")
def canada_service_inventory(
    file: Path | None = FILE_ARGUMENT,
    as_events: bool = typer.Option(False, "--as-events", help="Send the volumes as transactions too, scaled."),
    scale: str | None = typer.Option(None, help="Transactions sent for each one told; with --as-events. [0.001]"),
    to: str = TO_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Canada's Service Inventory 2023-2024: departments, services, declared volumes by channel."""
    from producers.canada_events import DEFAULT_SCALE, scale_of
    from producers.canada_inventory import REGISTER, catalogue_rows, read_inventory

    if scale is not None and not as_events:
        raise UsageError("--scale is for --as-events: declarations are never scaled")
    fraction = scale_of(scale or DEFAULT_SCALE) if as_events else None
    inventory = read_inventory(file)
    rows = catalogue_rows(inventory)
    document: dict[str, Any] = {
        "agencies": len(rows["agencies"]),
        "services": len(rows["services"]),
        "periods": sorted({service.period for service in inventory.services}),
        "scale": None if fraction is None else float(fraction),
    }
    if to == "kafka":
        from catalogue.load import load_tables
        from warehouse.guarded_keys import make_keys

        settings = Settings.load()
        settings.kafka_admin()  # without a cluster nothing is begun
        make_keys(settings)
        document["catalogue"] = _counts(load_tables(settings, REGISTER, rows))["tables"]
        document |= _stream(settings, inventory, fraction)
    else:
        directory = Path(to)
        _write_catalogue(directory / "catalogue", rows)
        document |= _write_events(directory, inventory, fraction)
    if as_json:
        print_json(document)
        return
    say(
        f"{document['agencies']} departments, {document['services']} services, "
        f"{document['declarations']} declarations, {document['transactions']} transactions"
    )


def _stream(settings: Settings, inventory: Inventory, scale: Fraction | None) -> dict[str, Any]:
    """Onboard every department and send its events by its own login."""
    from broker.bundle import keep_bundles
    from producers.login import read_bundle
    from producers.publisher import Publisher

    folders = keep_bundles(settings, inventory.agencies)
    declared = completed = 0
    for agency in _with_progress(inventory.agencies):
        said, happened = _events(inventory, agency, scale)
        with Publisher(agency, read_bundle(folders[agency]).kafka) as publisher:
            declared += _publish(publisher, said)
            completed += _publish(publisher, happened)
    return {"declarations": declared, "transactions": completed}


def _publish(publisher: Publisher, values: Iterator[bytes]) -> int:
    """Send all and wait for every acknowledgement. Raises TryAgain where one is missing."""
    total = 0
    while True:
        count = 0
        for value in islice(values, AT_ONCE):
            publisher.send(value)
            count += 1
        if not count:
            return total
        if publisher.flush() < count:
            raise TryAgain(f"the broker did not take every event of {publisher.topic}", hint="run the command again")
        total += count


def _write_events(directory: Path, inventory: Inventory, scale: Fraction | None) -> dict[str, Any]:
    """One NDJSON file for each department."""
    written = [0, 0]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for agency in _with_progress(inventory.agencies):
            with (directory / f"{agency}.ndjson").open("wb") as file:
                for place, events in enumerate(_events(inventory, agency, scale)):
                    for value in events:
                        file.write(value + b"\n")
                        written[place] += 1
    except OSError as error:
        raise MizanError(f"cannot write to {directory}: {error.strerror}") from error
    return {"declarations": written[0], "transactions": written[1], "directory": str(directory)}


def _events(inventory: Inventory, agency: str, scale: Fraction | None) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """What a department declares, and its scaled transactions."""
    from producers.canada_events import declarations, transactions

    return declarations(inventory, agency), iter(()) if scale is None else transactions(inventory, agency, scale)


def _with_progress(agencies: list[str]) -> Iterable[str]:
    """The same list, with a bar on a terminal."""
    from rich.progress import track

    from console.output import notes

    return track(agencies, "departments", console=notes, disable=not notes.is_terminal, transient=True)


def _write_catalogue(directory: Path, tables_of_rows: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """File name to number of rows written. Rows of a program are read by the catalogue's own rules first."""
    from catalogue.csv_files import read_rows, write_file
    from catalogue.faults import BadCatalogue
    from catalogue.tables import tables

    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MizanError(f"cannot make the folder {directory}: {error.strerror}") from error
    written = {}
    for name, rows in tables_of_rows.items():
        if rows:
            read, faults = read_rows(tables()[name], rows)
            if faults:
                raise BadCatalogue(faults)
            written[tables()[name].file_name] = write_file(
                tables()[name], directory / tables()[name].file_name, [row.values for row in read]
            )
    return written


def _counts(loaded: Loaded) -> dict[str, Any]:
    return {
        "register": loaded.register,
        "tables": {name: vars(counts) for name, counts in loaded.tables.items()},
        "notes": loaded.remarks,
    }
