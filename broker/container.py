"""Files for Kafka in a container: the same node, certificates and logins, for the official image.

Run once before the services: ``python -m broker.container FOLDER``. The folder is mounted at the same path in both
containers; ``start.sh`` in it formats the data folder at first start and then becomes Kafka.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path

from broker.administration import allow_gateway, allow_pipeline
from broker.certificates import ensure_certificates
from broker.local import cluster_id
from broker.node import ADMIN, GATEWAY, MECHANISM, PIPELINE, PROTOCOL, SCRAM_ITERATIONS, Ports, server_properties
from contracts.keys import keep_secret, read_secret, secret_folder, write_secret
from contracts.settings import Settings
from warehouse.guarded_keys import make_keys

HOST = "kafka"
PORTS = Ports(client=9092, controller=9093)
DATA = Path("/var/lib/kafka/data")
START = """\
#!/bin/bash
set -euo pipefail
folder=$(dirname "$0")
if [ ! -f {data}/meta.properties ]; then
    /opt/kafka/bin/kafka-storage.sh format -t "$(cat "$folder/cluster.id")" -c "$folder/server.properties" \\
        --add-scram "$(cat "$folder/admin.scram")"
fi
exec /opt/kafka/bin/kafka-server-start.sh "$folder/server.properties"
"""


def prepare(settings: Settings, folder: Path) -> None:
    """Write what the node needs into ``folder`` and its ``broker.json`` into MIZAN_HOME. Safe to repeat."""
    secret_folder(folder)
    make_keys(settings)
    for user in (ADMIN, PIPELINE):
        keep_secret(settings.keys / f"kafka-{user}.password", lambda: secrets.token_urlsafe(24))
    password = read_secret(settings.keys / f"kafka-{ADMIN}.password")
    files = ensure_certificates(folder / "tls", names=(HOST, "localhost"))
    keep_secret(folder / "cluster.id", cluster_id)
    scram = f"{MECHANISM}=[name={ADMIN},iterations={SCRAM_ITERATIONS},password={password}]"
    write_secret(folder / "admin.scram", scram)
    write_secret(folder / "server.properties", server_properties(DATA, PORTS, files, password, HOST))
    start = folder / "start.sh"
    start.write_text(START.format(data=DATA), encoding="utf-8")
    start.chmod(0o755)
    ca = settings.home / "ca.pem"
    ca.write_bytes(files.ca.read_bytes())
    document = {
        "bootstrap": f"{HOST}:{PORTS.client}",
        "security_protocol": PROTOCOL,
        "sasl_mechanism": MECHANISM,
        "ca_file": str(ca),
        "pipeline_username": PIPELINE,
        "pipeline_password_file": str(settings.keys / f"kafka-{PIPELINE}.password"),
        "admin_username": ADMIN,
        "admin_password_file": str(settings.keys / f"kafka-{ADMIN}.password"),
        "gateway_username": GATEWAY,
        "gateway_password_file": str(settings.keys / f"kafka-{GATEWAY}.password"),
    }
    write_secret(settings.broker_file, json.dumps(document, indent=2))


def main() -> None:
    """Prepare the folder that is named, or (``--allow-services``, with Kafka up) make the users of our own services."""
    settings = Settings.load()
    if sys.argv[1] == "--allow-services":
        allow_pipeline(settings.kafka_admin(), PIPELINE, read_secret(settings.keys / f"kafka-{PIPELINE}.password"))
        allow_gateway(settings)
    else:
        prepare(settings, Path(sys.argv[1]).absolute())


if __name__ == "__main__":
    main()
