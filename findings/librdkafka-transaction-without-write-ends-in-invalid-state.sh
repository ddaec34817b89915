#!/usr/bin/env bash
# A transaction on a topic one may not write to ends, after a plain abort, in a fatal error about an invalid state.
#
# Versions: confluent-kafka 2.16.1 (librdkafka 2.16.0), Kafka 4.2.1 (one broker, KRaft, Java 17 or newer).
# Date: 1 December 2026.
#
# What one expects: TOPIC_AUTHORIZATION_FAILED in the delivery report, as a producer without transactions gets it, and
# that abort_transaction() ends what failed; that is what the documentation has for errors that are not fatal.
# What happens, if the user has DESCRIBE on the topic but not WRITE: the delivery report says _PURGE_QUEUE, "Local:
# Purged in queue"; flush() returns 0; error_cb is not called. abort_transaction() then raises INVALID_TXN_STATE, now
# fatal, and from here on every call of this producer says the same. The missing right is not mentioned.
# commit_transaction() or a second begin_transaction(), before the abort, do raise TOPIC_AUTHORIZATION_FAILED (without
# the topic's name); so who aborts as soon as a delivery report has an error never learns why. Without DESCRIBE too, the
# report says TOPIC_AUTHORIZATION_FAILED, the abort succeeds and the producer goes on.
#
# What it means if you build on it: of a failed transaction, call commit_transaction() first and keep what it raises:
# with a failed record it cannot commit, and it is the only place that gives the reason. Take the fatal error of
# the abort for the end of this producer, not of your program, and look at the rights before you look for a zombie.
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

from confluent_kafka import KafkaException, Producer, libversion, version
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
admin.create_topics([NewTopic("orders", 1, 1)])["orders"].result(60)


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


def told(error):
    return error and (error.name(), "fatal" if error.fatal() else "not fatal")


wrong = []


def look(what, got, wanted):
    print(f"  {what}: {got}", flush=True)
    if got != wanted:
        wrong.append(what)


def step(what, call, wanted):
    try:
        got = call()
    except KafkaException as refusal:
        got = told(refusal.args[0])
        if "orders" in str(refusal):
            wrong.append(f"{what} names the topic")
    look(what, got, wanted)


def begun(name):
    """Return a producer with one record in a transaction, the errors of its deliveries, and what error_cb got."""
    deliveries, called = [], []
    producer = Producer(login("app", **{"transactional.id": name, "error_cb": called.append}))
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce("orders", b"x", on_delivery=lambda error, _: deliveries.append(told(error)))
    look("flush()", producer.flush(60), 0)
    return producer, deliveries, called


denied = ("TOPIC_AUTHORIZATION_FAILED", "not fatal")
invalid = ("INVALID_TXN_STATE", "fatal")
print("neither WRITE nor DESCRIBE on the topic, aborted:")
for name in ("hidden", "abort", "commit", "begin"):
    allow(right(ResourceType.TRANSACTIONAL_ID, name, AclOperation.WRITE))
producer, deliveries, called = begun("hidden")
look("delivery", deliveries, [denied])
step("abort_transaction()", producer.abort_transaction, None)
step("begin_transaction()", producer.begin_transaction, None)
allow(right(ResourceType.TOPIC, "orders", AclOperation.DESCRIBE))
print("DESCRIBE but no WRITE, no transaction:")
plain = Producer(login("app", **{"enable.idempotence": False}))
deliveries = []
plain.produce("orders", b"x", on_delivery=lambda error, _: deliveries.append(told(error)))
plain.flush(60)
look("delivery", deliveries, [denied])
print("DESCRIBE but no WRITE, aborted:")
producer, deliveries, called = begun("abort")
look("delivery", deliveries, [("_PURGE_QUEUE", "not fatal")])
look("error_cb before the abort", [told(error) for error in called], [])
step("abort_transaction()", producer.abort_transaction, invalid)
step("begin_transaction()", producer.begin_transaction, invalid)
print("DESCRIBE but no WRITE, committed:")
producer, deliveries, called = begun("commit")
look("delivery", deliveries, [("_PURGE_QUEUE", "not fatal")])
step("commit_transaction()", producer.commit_transaction, denied)
step("abort_transaction()", producer.abort_transaction, invalid)
print("DESCRIBE but no WRITE, begun again:")
producer, deliveries, called = begun("begin")
step("begin_transaction()", producer.begin_transaction, denied)
sys.exit(f"not as described, upstream has changed: {wrong}" if wrong else 0)
PY
venv/bin/python look.py "127.0.0.1:$port" || { tail -n 20 broker.txt; exit 1; }
