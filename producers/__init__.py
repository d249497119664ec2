"""Say what happened: the agency SDK, its durable spool, and seeded scenarios."""

from contracts.id_checksum import id_checksum
from producers.agency import Agency
from producers.refusal import Refusal

__all__ = ["Agency", "Refusal", "id_checksum"]
