#!/bin/bash
# Once per release, before Airflow's services: its database, the build pool, the lake, the pipeline's Kafka user.
set -euo pipefail
airflow db migrate
airflow pools set build_database 1 "one writer"
mizan init
python -m broker.container --allow-pipeline
