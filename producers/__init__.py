"""Say what happened: the agency SDK, its durable spool, and seeded scenarios."""
