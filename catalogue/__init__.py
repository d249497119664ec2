"""Who offers what, where: agencies, places, services, read from CSV and kept with their history."""
