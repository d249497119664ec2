"""kafka-python: the values read and looked at, nothing else. No file is written; what fetching alone would cost."""

from kafka import KafkaConsumer
from measured import Asked, tell


def land(asked: Asked) -> None:
    """Read the topic's records up to the count."""
    consumer = KafkaConsumer(asked.topic, bootstrap_servers=asked.bootstrap, auto_offset_reset="earliest")
    left = asked.count
    while left > 0:
        left -= sum(len(records) for records in consumer.poll(timeout_ms=1000, max_records=10_000).values())
    consumer.close()


tell(land)
