"""What is on an agency's topic, as it was written."""

from __future__ import annotations

import confluent_kafka

from contracts.settings import TOPIC_PREFIX, Settings


def values_on_topic(settings: Settings, agency_id: str) -> list[bytes]:
    """Every value, partition by partition."""
    consumer = confluent_kafka.Consumer(
        settings.kafka().for_librdkafka() | {"group.id": "mizan-test", "enable.auto.commit": False}
    )
    topic, values = TOPIC_PREFIX + agency_id, []
    try:
        for partition in consumer.list_topics(topic, 10).topics[topic].partitions:
            place = confluent_kafka.TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(place, 10)
            consumer.assign([place])
            while end and consumer.position([place])[0].offset < end:
                for message in consumer.consume(1000, 1.0):
                    assert message.error() is None
                    values.append(message.value())
    finally:
        consumer.close()
    return values
