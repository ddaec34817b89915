#!/usr/bin/env bash
# A plain commit that falls into a transaction outlives it: the transaction commits, and its offset is lost.
#
# Versions: confluent-kafka 2.16.1 (librdkafka 2.16.0), Kafka 4.2.1 (one broker, KRaft, Java 17 or newer).
# Date: 1 December 2026.
#
# What one expects: that after commit_transaction() the group stands where send_offsets_to_transaction() said, for that
# is the newest thing that was decided, and "output and offset together" is what the transaction was for.
# What happens: of the two offsets the one that was SENT last stays, not the one that took effect last. If a plain
# commit() of the group comes between send_offsets_to_transaction() and commit_transaction(), the latter succeeds and
# changes nothing: with a lower plain offset the group has to read again what is already in the output, with a higher
# one it leaves records out. Both group protocols do so. A plain commit before the offsets are sent, or after the end,
# is ordered as one expects. While the transaction is open, committed() answers neither: it times out.
# The default enable.auto.commit=true is such a plain commit: it takes effect in the midst of a transaction, and stays
# when that is aborted, with an offset of records whose output was never written.
#
# What it means if you build on it: with transactions there must be no other way in which the group's offsets are
# written: enable.auto.commit=false, no commit() when partitions are taken away or at shutdown, no reset of offsets by a
# tool while a transaction of a dead process is still open. None of it is refused; only the group's metadata can
# tell: give the offsets of the transaction a text (TopicPartition(..., metadata=...)) and look for it in committed().
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
cat >server.properties <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
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

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition, libversion, version
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

servers = {"bootstrap.servers": sys.argv[1], "log_level": 0}
print("Kafka 4.2.1, confluent-kafka", version(), "with librdkafka", libversion()[0])
admin = AdminClient(servers)
end = time.monotonic() + 120
while True:
    try:
        admin.list_topics(timeout=5)
        break
    except KafkaException:
        if time.monotonic() > end:
            raise
admin.create_topics([NewTopic("topic", 1, 1)])["topic"].result(60)
producer = Producer(servers)
for _ in range(20):
    producer.produce("topic", b"a record")
assert producer.flush(60) == 0
wrong = []


def place(offset, text=None):
    return [TopicPartition("topic", 0, offset, metadata=text) if text else TopicPartition("topic", 0, offset)]


def look(what, got, wanted):
    print(f"  {what}: {got}", flush=True)
    if got != wanted:
        wrong.append(what)


def member(group, protocol, **settings):
    """Return a member of the group that has read all 20 records, and a producer in a transaction."""
    consumer = Consumer(servers | {"group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest",
                                   "enable.auto.commit": False} | settings)
    consumer.subscribe(["topic"])
    read, stop = 0, time.monotonic() + 60
    while read < 20:
        assert time.monotonic() < stop, "no records"
        message = consumer.poll(1)
        read += message is not None and not message.error()
    own = Producer(servers | {"transactional.id": group})
    own.init_transactions(60)
    own.begin_transaction()
    return consumer, own


def plainly(consumer, offset):
    assert consumer.commit(offsets=place(offset, "plain"), asynchronous=False)[0].error is None


def stands(consumer):
    (found,) = consumer.committed(place(0), 60)
    return found.offset, found.metadata


for protocol in ("classic", "consumer"):
    print(f"group.protocol={protocol}, a transaction with the offset 10:")
    for when in ("before", "between", "after"):
        for plain in (5, 15):
            for ends in ("commit_transaction", "abort_transaction"):
                consumer, own = member(f"{protocol} {when} {plain} {ends}", protocol)
                if when == "before":
                    plainly(consumer, plain)
                own.send_offsets_to_transaction(place(10, "of the transaction"), consumer.consumer_group_metadata(), 60)
                if when == "between":
                    plainly(consumer, plain)
                getattr(own, ends)(60)
                if when == "after":
                    plainly(consumer, plain)
                kept = when == "before" and ends == "commit_transaction"
                look(f"a plain commit of {plain} {when} the offsets and {ends}()", stands(consumer),
                     (10, "of the transaction") if kept else (plain, "plain"))
                consumer.close()

print("a transaction with the offset 10, and a plain commit() neither before nor after:")
consumer, own = member("open", "classic")
own.send_offsets_to_transaction(place(10, "of the transaction"), consumer.consumer_group_metadata(), 60)
try:
    answer = consumer.committed(place(0), 3)
except KafkaException as refusal:
    answer = refusal.args[0].name()
look("committed() while it is open", answer, "_TIMED_OUT")
own.commit_transaction(60)
look("committed() then", stands(consumer), (10, "of the transaction"))
consumer.close()

for ends in ("commit_transaction", "abort_transaction"):
    print(f"enable.auto.commit=true, 20 records read, a transaction with the offset 10, {ends}():")
    settings = {"enable.auto.commit": True, "auto.commit.interval.ms": 500, "auto.offset.reset": "earliest"}
    consumer, own = member(f"auto {ends}", "classic", **settings)
    own.send_offsets_to_transaction(place(10, "of the transaction"), consumer.consumer_group_metadata(), 60)
    consumer.poll(3)  # goes on, as a loop would; the client commits meanwhile
    getattr(own, ends)(60)
    look("the group stands at", stands(consumer)[0], 20)
    consumer.close()
sys.exit(f"not as described, upstream has changed: {wrong}" if wrong else 0)
PY
venv/bin/python look.py "127.0.0.1:$port" || { tail -n 20 broker.txt; exit 1; }
