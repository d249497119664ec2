# Stands in for apache/kafka: the same release's jars, its user, folders and two of its scripts.
FROM mizan-compose-check/debian:bookworm
RUN useradd --uid 1000 --create-home --shell /bin/bash appuser \
    && install -d -o appuser -g appuser /opt/kafka/bin /opt/kafka/logs /var/lib/kafka/data
COPY jars /opt/kafka/libs
COPY --chmod=755 kafka-storage.sh kafka-server-start.sh /opt/kafka/bin/
USER 1000
VOLUME ["/var/lib/kafka/data"]
CMD ["/opt/kafka/bin/kafka-server-start.sh"]
