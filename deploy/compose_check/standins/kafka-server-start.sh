#!/bin/bash
# shellcheck disable=SC2086 # the options are words
exec java ${KAFKA_HEAP_OPTS:--Xmx1G} -cp '/opt/kafka/libs/*' kafka.Kafka "$@"
