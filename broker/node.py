"""What the local node is told: its server.properties and its logging, as text.

Two listeners, both on loopback and both encrypted:

* CLIENT, ``SASL_SSL`` with SCRAM-SHA-512, for agencies, the pipeline, the administrator and the broker itself;
* CONTROLLER, ``SSL`` with a client certificate demanded.

There is no plaintext listener. The one super user is ``admin``: on the client listener by its password,
on the controller listener by the node's own certificate, which the mapping rule below turns into ``admin``.
The broker must be trusted there before any ACL can exist, and no other certificate passes the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from broker.certificates import NODE_NAME, Certificates

HOST = "127.0.0.1"
ADMIN = "admin"
PIPELINE = "pipeline"
GATEWAY = "gateway"
MECHANISM = "SCRAM-SHA-512"
PROTOCOL = "SASL_SSL"
# RFC 5802 asks for 4096 at least; the interfaces ask for 8192. More would be paid at every connection.
SCRAM_ITERATIONS = 8192
RETENTION_HOURS = 7 * 24


@dataclass(frozen=True)
class Ports:
    """TCP ports on loopback. ``plaintext`` is None except in benchmarks."""

    client: int
    controller: int
    plaintext: int | None = None


def server_properties(data: Path, ports: Ports, files: Certificates, admin_password: str, host: str = HOST) -> str:
    """The node's configuration. It holds the administrator's password: write it 0600.

    ``host`` is the name under which clients reach it: loopback, or its service name among containers.
    """
    listeners = f"CLIENT://{host}:{ports.client}"
    protocols = "CLIENT:SASL_SSL,CONTROLLER:SSL"
    super_users = f"User:{ADMIN}"
    if ports.plaintext is not None:
        # Benchmarks alone: how fast is Kafka without TLS on this machine? Never reachable from the command line.
        listeners += f",BENCHMARK://{HOST}:{ports.plaintext}"
        protocols += ",BENCHMARK:PLAINTEXT"
        super_users += ";User:ANONYMOUS"
    return f"""\
# Written by mizan at every start; changes made here are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{HOST}:{ports.controller}
listeners={listeners},CONTROLLER://{HOST}:{ports.controller}
advertised.listeners={listeners}
listener.security.protocol.map={protocols}
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER

ssl.enabled.protocols=TLSv1.3,TLSv1.2
ssl.keystore.type=PEM
ssl.keystore.location={files.node}
ssl.truststore.type=PEM
ssl.truststore.location={files.ca}
listener.name.client.ssl.client.auth=none
listener.name.controller.ssl.client.auth=required
listener.name.controller.ssl.principal.mapping.rules=RULE:^CN={NODE_NAME}$/{ADMIN}/

sasl.enabled.mechanisms={MECHANISM}
sasl.mechanism.inter.broker.protocol={MECHANISM}
listener.name.client.sasl.enabled.mechanisms={MECHANISM}
listener.name.client.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required username="{ADMIN}" password="{admin_password}";
# A login that was rotated or revoked cannot live on in an open connection for longer than this.
connections.max.reauth.ms=3600000

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users={super_users}
auto.create.topics.enable=false

log.dirs={data}
log.retention.hours={RETENTION_HOURS}
# A thousand small topics: an index is allocated per segment, so segments and indexes are kept small.
log.segment.bytes=268435456
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216
# A killed node is told "already registered" until its old session ends (9 s by default): the restart waits for it.
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
num.network.threads=2
num.io.threads=4
background.threads=4

default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
"""


def log4j_properties(logs: Path) -> str:
    """Logging of the node: one file, rolled at 20 MB, five kept; nothing on the console but JVM trouble.

    Messages are encoded: what a client calls itself or its group must not begin a line of its own, nor move a cursor.
    """
    return f"""\
status=error
name=mizan-broker
appender.file.type=RollingFile
appender.file.name=FILE
appender.file.fileName={logs}/server.log
appender.file.filePattern={logs}/server.log.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %p %enc{{%m}}{{JSON}} (%c)%enc{{%xEx}}{{JSON}}%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=20MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=5
rootLogger.level=info
rootLogger.appenderRef.file.ref=FILE
# These two print every setting at start, hundreds of lines, and answer no question an operator has.
logger.values.name=org.apache.kafka.common.config.AbstractConfig
logger.values.level=warn
logger.kafkavalues.name=kafka.server.KafkaConfig
logger.kafkavalues.level=warn
"""
