"""The Government of Canada's Service Inventory: open data of 41 departments, read with its three truths.

One row of the file is one service in one fiscal year (April to March). A volume is a number, ``NA`` (not applicable:
the channel is not offered) or ``ND`` (not provided); a blank counts as not provided. Only ``num_applications_*`` are
transactions: telephone enquiries and website visits are not, and ``num_applications_total`` is not trusted, because it
is 0 also where no channel was told.

What the catalogue is told of a service, and where it comes from:

| catalogue | the file |
|---|---|
| declared_level full | every applicable online point is Y, and at least one point is applicable |
| declared_level partial | some applicable point is Y, some is N |
| declared_level informational | no point is Y, some is N, and the service's web page was visited |
| declared_level none | no point is Y, some is N, and no visit of a web page was told |
| declared_level unknown | no point is applicable: the file does not say how electronic the service is |
| channels | channels with a number or an ND: those that are offered |
| audience | PERSON: citizen; ECONOM: business; INTERN_GOV, PTC: government; other groups have no word here |
| nature informational | service_type is INFO alone; of the other types the file's codes do not say it |
| valid_from | the first day of the fiscal year |

Persian names, primary channel, official code and all else are not in the file and stay blank.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from contracts.errors import BadInput, UsageError
from contracts.settings import AGENCY_ID

REGISTER = "import:canada-service-inventory"
SHIPPED = "canada-service-inventory-2023-2024.csv"
Truth = int | Literal["not_provided", "not_applicable"]

POINTS = (
    "os_account_registration",
    "os_authentication",
    "os_application",
    "os_decision",
    "os_issuance",
    "os_issue_resolution_feedback",
)
# Channel to the columns it adds up. E-mail and fax have no channel of their own in the contract.
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "portal": ("num_applications_online",),
    "service_desk": ("num_applications_in_person",),
    "phone": ("num_applications_by_phone",),
    "paper": ("num_applications_by_mail",),
    "other": ("num_applications_by_email", "num_applications_by_fax", "num_applications_by_other"),
}
AUDIENCES = {"PERSON": "citizen", "ECONOM": "business", "INTERN_GOV": "government", "PTC": "government"}
_COLUMNS = (
    "fiscal_yr",
    "owner_org",
    "owner_org_title",
    "service_id",
    "service_name_en",
    "service_type",
    "client_target_groups",
    "num_website_visits",
    *POINTS,
    *(column for columns in CHANNELS.values() for column in columns),
)
_FISCAL_YEAR = re.compile(r"(\d{4})-(\d{4})", re.ASCII)
_SERVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Service:
    """One row: a service of a department in a fiscal year, with its transactions by channel."""

    fiscal_year: str
    agency_id: str
    agency_name: str
    service_id: str
    name: str
    level: str
    nature: str | None
    audience: tuple[str, ...]
    volumes: Mapping[str, Truth]

    @property
    def first_year(self) -> int:
        """The calendar year in which the fiscal year begins."""
        return int(self.fiscal_year[:4])

    @property
    def period(self) -> str:
        """The fiscal year as a declared period: ``2023-04/2024-03``."""
        return f"{self.first_year}-04/{self.first_year + 1}-03"


@dataclass(frozen=True)
class Inventory:
    """The services of one file, in its order.

    ``digest`` names the content; ``changed_at`` is when the file was last changed, None for the one that comes along.
    """

    services: tuple[Service, ...]
    digest: str
    changed_at: dt.datetime | None

    @property
    def agencies(self) -> list[str]:
        """The departments, by id."""
        return sorted({service.agency_id for service in self.services})

    def of(self, agency: str) -> list[Service]:
        """One department's services, in the file's order."""
        return [service for service in self.services if service.agency_id == agency]


def read_inventory(path: Path | None = None) -> Inventory:
    """Read a file of the inventory, by default the one that comes with the project.

    Raises UsageError where it cannot be read, BadInput with line and hint where its content is not the inventory's.
    """
    shipped = files("producers").joinpath("data", SHIPPED).read_bytes()
    content = shipped
    name = SHIPPED
    if path is not None:
        name = path.name
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise BadInput(f"{name}: larger than {MAX_BYTES // 2**20} MiB")
    is_shipped = content == shipped
    changed_at = None if is_shipped or path is None else dt.datetime.fromtimestamp(int(path.stat().st_mtime), dt.UTC)
    return Inventory(_services(name, content), hashlib.sha256(content).hexdigest(), changed_at)


def add_up(cells: Iterable[Truth]) -> Truth:
    """The sum of the cells that are numbers; without one *not provided* if any is that, else *not applicable*."""
    given = list(cells)
    numbers = [cell for cell in given if isinstance(cell, int)]
    if numbers:
        return sum(numbers)
    return "not_provided" if "not_provided" in given else "not_applicable"


def catalogue_rows(inventory: Inventory) -> dict[str, list[dict[str, object]]]:
    """Agencies and services as rows of the catalogue's tables; of several years of a service the latest counts."""
    agencies: dict[str, dict[str, object]] = {}
    services: dict[str, dict[str, object]] = {}
    for service in sorted(inventory.services, key=lambda service: service.fiscal_year):
        agencies.setdefault(
            service.agency_id,
            {
                "agency_id": service.agency_id,
                "level": "national",
                "expected_to_report": True,
                "valid_from": dt.date(service.first_year, 4, 1),
            },
        )["name_en"] = service.agency_name
        valid_from = services.get(service.service_id, {}).get("valid_from", dt.date(service.first_year, 4, 1))
        services[service.service_id] = {
            "service_id": service.service_id,
            "agency_id": service.agency_id,
            "name_en": service.name,
            "declared_level": service.level,
            "nature": service.nature,
            "audience": service.audience,
            "channels": [channel for channel, volume in service.volumes.items() if volume != "not_applicable"],
            "lifecycle": "live",
            "valid_from": valid_from,
        }
    return {"agencies": list(agencies.values()), "services": list(services.values())}


def level_of(points: Iterable[str], website_visits: Truth) -> str:
    """The electronic level that six online points tell; the table above is this function in words."""
    applicable = [point for point in points if point != "NA"]
    if not applicable:
        return "unknown"
    if all(point == "Y" for point in applicable):
        return "full"
    if "Y" in applicable:
        return "partial"
    return "informational" if isinstance(website_visits, int) and website_visits > 0 else "none"


class _Fault(Exception):
    """One row cannot be read: what is wrong, and how to mend it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} ({hint})")


def _services(name: str, content: bytes) -> tuple[Service, ...]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadInput(f"{name}:{line}: not UTF-8", hint="save it as CSV UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="", restval=None)
    found: list[Service] = []
    lines: dict[tuple[str, str], int] = {}
    line = 1
    try:
        missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise BadInput(f"{name}:1: missing columns: {', '.join(missing)}", hint="is this the service inventory?")
        line = reader.line_num + 1
        for row in reader:
            service = _service(row)
            key = (service.fiscal_year, service.service_id)
            if key in lines:
                raise _Fault(f"service {service.service_id} stands in line {lines[key]} too", "once a fiscal year")
            lines[key] = line
            found.append(service)
            line = reader.line_num + 1
    except (csv.Error, _Fault) as error:
        raise BadInput(f"{name}:{line}: {error}") from error
    if not found:
        raise BadInput(f"{name}: holds no service")
    return tuple(found)


def _service(row: Mapping[str, str | None]) -> Service:
    if "" in row or None in row.values():
        raise _Fault("not as many cells as columns", "is a comma or a quote missing?")
    cells = {column: " ".join((row[column] or "").split()) for column in _COLUMNS}
    year = _FISCAL_YEAR.fullmatch(cells["fiscal_yr"])
    if not year or int(year[2]) != int(year[1]) + 1 or not 1970 <= int(year[1]) <= 2120:
        raise _Fault("fiscal_yr is not a fiscal year", "such as 2023-2024")
    agency = cells["owner_org"].lower()
    if not AGENCY_ID.fullmatch(agency):
        raise _Fault("owner_org is no agency id", "Latin letters, digits and hyphens, 2 to 40, a letter first")
    if not _SERVICE_ID.fullmatch(cells["service_id"]):
        raise _Fault("service_id is no id", "Latin letters, digits and . _ : - up to 64")
    for point in POINTS:
        if cells[point] not in ("Y", "N", "NA"):
            raise _Fault(f"{point} is neither Y nor N nor NA", "see the inventory's data dictionary")
    groups = cells["client_target_groups"].split(",")
    return Service(
        fiscal_year=cells["fiscal_yr"],
        agency_id=agency,
        agency_name=cells["owner_org_title"].partition("|")[0].strip(),
        service_id=cells["service_id"],
        name=cells["service_name_en"],
        level=level_of([cells[point] for point in POINTS], _truth("num_website_visits", cells)),
        nature="informational" if cells["service_type"] == "INFO" else None,
        audience=tuple(dict.fromkeys(AUDIENCES[group] for group in groups if group in AUDIENCES)),
        volumes={channel: add_up(_truth(column, cells) for column in columns) for channel, columns in CHANNELS.items()},
    )


def _truth(column: str, cells: Mapping[str, str]) -> Truth:
    text = cells[column]
    if _COUNT.fullmatch(text):
        return int(text)
    if text in ("ND", ""):
        return "not_provided"
    if text == "NA":
        return "not_applicable"
    raise _Fault(f"{column} is neither a whole number nor NA nor ND", "0 is zero, ND not provided, NA not applicable")
