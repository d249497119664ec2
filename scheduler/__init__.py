"""Airflow, known here and in dags/ alone: shared assets, the wake-up, one local scheduler, its REST API."""
