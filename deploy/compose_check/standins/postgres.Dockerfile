# Stands in for postgres:17 with Debian's PostgreSQL 15: its user, folders and the variables that docker-compose.yml uses.
FROM mizan-compose-check/debian:bookworm
RUN groupmod --gid 999 postgres && usermod --uid 999 postgres \
    && chown -R postgres:postgres /var/lib/postgresql \
    && install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data /run/postgresql
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/data
COPY --chmod=755 postgres-entrypoint /usr/local/bin/
VOLUME ["/var/lib/postgresql/data"]
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-entrypoint"]
