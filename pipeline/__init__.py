"""The arrows by hand: each step of the pipeline as one call, the same for the command line and for Airflow."""
