#!/bin/bash
# Once, as root: secrets, certificates and folders, each owned by the one service that reads them.
set -euo pipefail
umask 077
python -m broker.container /kafka-config

random() { python -c 'import secrets; print(secrets.token_urlsafe(32))'; }
keep() { [ -s "$1" ] || "${@:2}" > "$1"; }
database_url() { echo "postgresql+psycopg2://airflow:$(cat /postgres-secrets/password)@postgres/airflow"; }
fernet() { python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'; }
passwords() { echo "{\"admin\": \"$(random)\"}"; }

keep /postgres-secrets/password random
keep /mizan/keys/airflow-database.url database_url
keep /mizan/keys/airflow-jwt.secret random
keep /mizan/keys/airflow-fernet.key fernet
keep /mizan/keys/airflow-passwords.json passwords

chown -R 50000:0 /mizan              # Airflow's user
chown -R 1000:1000 /kafka-config /var/lib/kafka/data # Kafka's user
chown -R 999:999 /postgres-secrets   # PostgreSQL's user
