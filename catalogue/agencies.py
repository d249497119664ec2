"""Agencies that an operator adds one by one, before any file of the catalogue names them."""

from __future__ import annotations

from catalogue.load import load_tables
from catalogue.read import current, stored
from catalogue.tables import create
from contracts.errors import Fenced, UsageError
from contracts.settings import Settings
from contracts.settings import agency_id as checked

REGISTER = "agency add"
_TURNS = 5


def ensure_agency(
    settings: Settings,
    agency_id: str,
    name_fa: str | None = None,
    name_en: str | None = None,
    parent_id: str | None = None,
    province: str | None = None,
    district: str | None = None,
) -> bool:
    """Add an agency that no register knows; True where it was added, False where it was known and nothing changed.

    Raises UsageError for an id that is none, or a parent, province or district the catalogue does not have.
    """
    checked(agency_id)
    create(settings)
    for turn in range(_TURNS):
        try:
            return _ensure(settings, agency_id, name_fa, name_en, parent_id, province, district)
        except Fenced:
            # Somebody else changed the table in between; look again before adding.
            if turn == _TURNS - 1:
                raise
    return False


def _ensure(
    settings: Settings,
    agency_id: str,
    name_fa: str | None,
    name_en: str | None,
    parent_id: str | None,
    province: str | None,
    district: str | None,
) -> bool:
    catalogue = current(settings)
    agencies = {row["agency_id"] for row in catalogue.agencies}
    if agency_id in agencies:
        return False
    kinds = {row["place_id"]: row["kind"] for row in catalogue.places}
    if parent_id is not None and parent_id not in agencies:
        raise UsageError(f"--parent: the catalogue has no agency {parent_id!r}")
    for option, place in (("province", province), ("district", district)):
        if place is not None and kinds.get(place) != option:
            raise UsageError(f"--{option}: the catalogue has no {option} {place!r}")
    added = {
        "agency_id": agency_id,
        "name_fa": name_fa,
        "name_en": name_en,
        "parent_id": parent_id,
        "province": province,
        "district": district,
    }
    own = [row for row in stored(settings)["agencies"] if row["loaded_from"] == REGISTER]
    # Agencies added before may be in a file by now: adding another one must not bring their bare rows back.
    load_tables(settings, REGISTER, {"agencies": [*own, added]}, speak_again=False)
    return True
