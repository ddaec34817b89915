#!/usr/bin/env bash
# confluent-kafka's describe_acls gives an empty list, not an error, to a user who may not ask for the rules.
#
# Versions: confluent-kafka 2.16.1 (librdkafka 2.16.0), Kafka 4.2.1 (one broker, KRaft, JDK 17 or newer).
# Date: 1 December 2026.
#
# What one expects: CLUSTER_AUTHORIZATION_FAILED, as create_acls and delete_acls say in the same place, and as the Java
# client says for the very same question of the same user.
# What happens: the future of describe_acls succeeds, with []. That is also the answer when there are no rules.
#
# What it means if you build on it: a tool that compares the rules with what they should be sees that all are missing:
# an audit reports a cluster without rules, and one that "puts right" tries to write them all. Before you believe an
# empty answer, ask for something that a denied user is told of: describe_configs of the broker needs DESCRIBE_CONFIGS
# on the cluster and raises. Or see to it that the cluster has one rule that you know, and demand to find it.
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

cat >Ask.java <<'JAVA'
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AclBindingFilter;

public class Ask {
  public static void main(String[] arguments) throws Exception {
    String login = "org.apache.kafka.common.security.plain.PlainLoginModule required "
        + "username=app password=of-this-run;";
    try (Admin client = Admin.create(Map.of("bootstrap.servers", arguments[0], "security.protocol", "SASL_PLAINTEXT",
        "sasl.mechanism", "PLAIN", "sasl.jaas.config", login))) {
      System.out.println(client.describeAcls(AclBindingFilter.ANY).values().get().size());
    } catch (ExecutionException refusal) {
      System.out.println(refusal.getCause().getClass().getSimpleName());
    }
  }
}
JAVA

cat >look.py <<'PY'
import subprocess
import sys
import time

from confluent_kafka import KafkaException, libversion, version
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
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
admin.create_topics([NewTopic("topic", 1, 1)])["topic"].result(60)


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


wrong = []
app = AdminClient(login("app"))
every = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY,
                         AclPermissionType.ANY)
rule = right(ResourceType.TOPIC, "topic", AclOperation.READ)


def look(what, call, wanted):
    try:
        got = call()
    except KafkaException as refusal:
        got = refusal.args[0].name()
    print(f"  {what}: {got}", flush=True)
    if got != wanted:
        wrong.append(what)


def rules(client):
    return lambda: len(client.describe_acls(every).result(60))


def java():
    command = ["java", "-cp", "libs/*", "Ask.java", sys.argv[1]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def only(futures):
    (future,) = futures.values()
    return future.result(60)


denied = "CLUSTER_AUTHORIZATION_FAILED"
print("no rules yet:")
look("describe_acls of the superuser finds", rules(admin), 0)
allow(rule)
print("one rule:")
look("describe_acls of the superuser finds", rules(admin), 1)
look("describe_acls of a user without rights finds", rules(app), 0)
look("describeAcls of Java's client for that user finds", java, "ClusterAuthorizationException")
look("create_acls of that user", lambda: only(app.create_acls([rule])), denied)
look("delete_acls", lambda: only(app.delete_acls([every])), denied)
look("describe_configs", lambda: only(app.describe_configs([ConfigResource("broker", "1")])), denied)
allow(right(ResourceType.BROKER, "kafka-cluster", AclOperation.DESCRIBE))
print("that user has DESCRIBE on the cluster now, a second rule:")
look("describe_acls of that user finds", rules(app), 2)
look("describeAcls of Java's client", java, "2")
sys.exit(f"not as described, upstream has changed: {wrong}" if wrong else 0)
PY
venv/bin/python look.py "127.0.0.1:$port" || { tail -n 20 broker.txt; exit 1; }
