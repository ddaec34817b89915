#!/usr/bin/env bash
# A consumer of the new group protocol that the broker refuses its group says so once, then is silent for good.
#
# Versions: confluent-kafka 2.16.1 (librdkafka 2.16.0), Kafka 4.2.1 (one broker, KRaft, Java 17 or newer).
# Date: 1 December 2026.
#
# What one expects: that group.protocol=consumer meets a missing right as group.protocol=classic does: an error of code
# GROUP_AUTHORIZATION_FAILED with every attempt, and records from when the right is (again) there; or else an error
# whose fatal() is True, as the documentation has for what an instance does not recover from.
# What happens: without READ on the group (DESCRIBE is there), the classic consumer tells it every 2 seconds and reads
# as soon as the right is there; if it loses the right while it reads, it goes on reading. With the new protocol poll()
# gives, in both cases, one error of code _FATAL whose fatal() and retriable() are False, and error_cb is never called;
# from then on poll() returns None, right or no right (12 s are waited here, in which the classic one reads). Only
# subscribe() raises; a new Consumer of the same group, in the same process, reads at once.
# Without DESCRIBE on the group too, both protocols tell GROUP_AUTHORIZATION_FAILED once, and both recover.
#
# What it means if you build on it: a loop that asks fatal() and otherwise logs and polls on looks healthy and reads
# nothing, after one mistaken change of rights that was put right in a minute. Take the code _FATAL for fatal as well:
# close the consumer and make a new one, or end the process. Watch the group's lag or the time since the last record;
# the absence of errors says nothing.
set -euo pipefail

work=$(mktemp -d)
broker=
finish() {
  if [ -n "$broker" ]; then kill "$broker" 2>/dev/null && wait "$broker" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check confluent-kafka==2.16.1
cat >pom.xml <<'XML'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.2.1</version></dependency>
  </dependencies>
</project>
XML
mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DoutputDirectory="$work/libs" -DincludeScope=runtime

read -r port controller < <(python3 -c '
import socket
both = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in both))')
login="org.apache.kafka.common.security.plain.PlainLoginModule required username=admin password=of-this-run"
cat >server.properties <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=CLIENTS://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
inter.broker.listener.name=CLIENTS
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.clients.plain.sasl.jaas.config=$login user_admin=of-this-run user_app=of-this-run;
listener.name.controller.plain.sasl.jaas.config=$login user_admin=of-this-run;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin
log.dirs=$work/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
PROPERTIES
java -cp 'libs/*' kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA -c server.properties >format.txt 2>&1 ||
  { cat format.txt; exit 1; }
java -Xmx512m -cp 'libs/*' kafka.Kafka server.properties >broker.txt 2>&1 &
broker=$!

cat >look.py <<'PY'
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, libversion, version
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

print("Kafka 4.2.1, confluent-kafka", version(), "with librdkafka", libversion()[0])
SILENCE = 12.0  # seconds that are waited for a record after the right is there; the classic consumer needs 1 to 3


def login(user, **settings):
    return {"bootstrap.servers": sys.argv[1], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
            "sasl.username": user, "sasl.password": "of-this-run", "log_level": 0} | settings


admin = AdminClient(login("admin"))
end = time.monotonic() + 120
while True:
    try:
        admin.list_topics(timeout=5)
        break
    except KafkaException:
        if time.monotonic() > end:
            raise
admin.create_topics([NewTopic("topic", 1, 1)])["topic"].result(60)
producer = Producer(login("admin"))


def right(kind, name, operation):
    return AclBinding(kind, name, ResourcePatternType.LITERAL, "User:app", "*", operation, AclPermissionType.ALLOW)


def exactly(binding):
    return AclBindingFilter(binding.restype, binding.name, binding.resource_pattern_type, binding.principal,
                            binding.host, binding.operation, binding.permission_type)


def allow(*bindings):
    for done in admin.create_acls(list(bindings)).values():
        done.result(30)
    stop = time.monotonic() + 30  # until the broker has it from its controller
    while not all(admin.describe_acls(exactly(binding)).result(30) for binding in bindings):
        assert time.monotonic() < stop


def forbid(binding):
    for done in admin.delete_acls([exactly(binding)]).values():
        assert len(done.result(30)) == 1
    stop = time.monotonic() + 30
    while admin.describe_acls(exactly(binding)).result(30):
        assert time.monotonic() < stop


def read(consumer, limit, until=lambda errors, records: records):
    """Poll for so long at most; return the errors and how many records came."""
    errors, records, stop = [], 0, time.monotonic() + limit
    while time.monotonic() < stop and not until(errors, records):
        message = consumer.poll(0.5)
        if message is not None and message.error():
            errors.append(message.error())
        records += message is not None and not message.error()
    return errors, records


def two_told(errors, records):
    return len(errors) == 2


allow(right(ResourceType.TOPIC, "topic", AclOperation.READ))
COUNTS = {"never had READ": 2, "READ taken away": 0, "neither READ nor DESCRIBE": 1}  # errors of those that recover
wrong = []
for case in COUNTS:
    for protocol in ("classic", "consumer"):
        group = f"{case} {protocol}"
        may_read = right(ResourceType.GROUP, group, AclOperation.READ)
        called = []
        settings = login("app", **{"group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest",
                                   "error_cb": called.append})
        if case != "neither READ nor DESCRIBE":
            allow(right(ResourceType.GROUP, group, AclOperation.DESCRIBE))
        producer.produce("topic", b"a record")
        assert producer.flush(30) == 0
        if case == "READ taken away":
            allow(may_read)
        consumer = Consumer(settings)
        consumer.subscribe(["topic"])
        if case == "READ taken away":
            assert read(consumer, 60)[1], "read nothing while it had the right"
            read(consumer, 1)  # what else is there
            forbid(may_read)
        errors, _ = read(consumer, 15, two_told)
        assigned = len(consumer.assignment())
        allow(may_read)
        producer.produce("topic", b"another record")
        assert producer.flush(30) == 0
        more, records = read(consumer, SILENCE, lambda errors, records: records and not errors)
        try:
            consumer.subscribe(["topic"])
            subscribes = True
        except KafkaException as refusal:
            subscribes = refusal.args[0].name()
        again = Consumer(settings)
        again.subscribe(["topic"])
        consumer.close()
        _, records_again = read(again, 60)
        again.close()
        told = [(error.name(), error.fatal(), error.retriable()) for error in errors]
        print(f"{case}, {protocol}:")
        print(f"  in 15 s {len(told)} error(s), of (name, fatal(), retriable()) {set(told)}, error_cb {len(called)}")
        print(f"  with the right again: {len(more)} errors, records: {bool(records)}; assigned before it: {assigned}")
        print(f"  subscribe(): {subscribes}; a new consumer gets records: {bool(records_again)}", flush=True)
        lost = protocol == "consumer" and case != "neither READ nor DESCRIBE"
        name = "_FATAL" if lost else "GROUP_AUTHORIZATION_FAILED"
        count = 1 if lost else COUNTS[case]
        if (
            told != [(name, False, False)] * count
            or (lost and (more or called))
            or bool(records) == lost
            or subscribes != ("_FATAL" if lost else True)
            or not records_again
        ):
            wrong.append((case, protocol))
sys.exit(f"not as described, upstream has changed: {wrong}" if wrong else 0)
PY
venv/bin/python look.py "127.0.0.1:$port" || { tail -n 20 broker.txt; exit 1; }
