"""Say what happened: the agency SDK, its durable spool, and seeded scenarios."""

from producers.agency import Agency
from producers.refusal import Refusal

__all__ = ["Agency", "Refusal"]
