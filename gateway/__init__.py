"""Take events over HTTP from agencies that cannot open a Kafka connection."""
