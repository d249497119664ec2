"""Kafka to lake, exactly as said: bounded drains, quarantine with reasons, verification."""
