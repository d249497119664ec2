#!/bin/bash
# Once per release, before Airflow's services: its database, the build pool, the lake, the Kafka users of pipeline and gateway.
set -euo pipefail
airflow db migrate
airflow pools set build_database 1 "one writer"
mizan init
python -m broker.container --allow-services
