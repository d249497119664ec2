# The platform on Airflow's own image: the image pins the code, the DAG files lie beside it.
FROM apache/airflow:3.3.2-python3.11
WORKDIR /opt/mizan
COPY --chown=airflow:0 requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY --chown=airflow:0 . .
# The report site runs as a user of its own, who must find the programs and owns none of them.
RUN pip install --no-cache-dir --no-deps --no-build-isolation . && chmod o+x /home/airflow
