#!/bin/bash
# At every `up`, as root: secrets, certificates and folders, each owned by the one service that reads them. What is there
# stays. No secret ends in a line end: Airflow takes what `cat` prints to the byte. Keys are read by their owner alone, root
# not excepted: hence as Airflow's user, to whom Kafka's folder is lent.
set -euo pipefail
umask 077

random() { python -c 'import secrets; print(secrets.token_urlsafe(32), end="")'; }
keep() { [ -s "$1" ] || "${@:2}" > "$1"; }
database_url() { printf %s "postgresql+psycopg2://airflow:$(cat /postgres-secrets/password)@postgres/airflow"; }
fernet() { python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode(), end="")'; }
passwords() { echo "{\"admin\": \"$(random)\"}"; }

mkdir -p /mizan/keys
keep /postgres-secrets/password random
keep /mizan/keys/airflow-database.url database_url
keep /mizan/keys/airflow-api.secret random
keep /mizan/keys/airflow-jwt.secret random
keep /mizan/keys/airflow-fernet.key fernet
keep /mizan/keys/airflow-passwords.json passwords

chown -R 50000:0 /mizan /kafka-config # Airflow's user
setpriv --reuid 50000 --regid 0 --clear-groups python -m broker.container /kafka-config
chown -R 1000:1000 /kafka-config /var/lib/kafka/data # Kafka's user
chown -R 999:999 /postgres-secrets   # PostgreSQL's user
