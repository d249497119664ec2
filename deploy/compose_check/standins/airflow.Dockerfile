# Stands in for apache/airflow: its user, folders, environment and entry point. Airflow itself comes with requirements.lock.
FROM mizan-compose-check/debian:bookworm
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY pip.conf /etc/pip.conf
COPY --chmod=755 airflow-entrypoint /entrypoint
RUN useradd --uid 50000 --gid 0 --no-create-home --home-dir /home/airflow --shell /bin/bash airflow \
    && install -d -o airflow -g root -m 0770 /home/airflow /opt/airflow
USER 50000
RUN python3 -m venv /home/airflow/.local
ENV AIRFLOW_HOME=/opt/airflow DUMB_INIT_SETSID=1 VIRTUAL_ENV=/home/airflow/.local \
    PATH=/home/airflow/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /opt/airflow
ENTRYPOINT ["/usr/bin/dumb-init", "--", "/entrypoint"]
