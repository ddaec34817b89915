#!/usr/bin/env bash
# Aborted transactions, which no reader of committed records sees, make Kafka compact a partition that stands still.
#
# Versions: Kafka 4.2.1 (one broker, KRaft, Java 17 or newer), confluent-kafka 2.16.1.
# Date: 30 November 2026.
#
# What one expects: that max.compaction.lag.ms bounds how long a value stays on disk after its tombstone, or, once one
# knows that a segment is only ever closed by an append, that one has to write records which all readers then get.
# What happens: in an idle partition of a compacted topic value and tombstone stay. Append one record and ABORT its
# transaction: the append closes the segment, and the cleaner removes the value. A second such transaction, after
# delete.retention.ms, closes the next segment and the tombstone goes too. A reader with isolation.level=read_committed
# gets none of those records, neither before nor after; its position merely passes some offsets without a message.
#
# What it means if you build on it: to have personal data of a quiet topic really erased by a date, send two aborted
# records to EVERY partition that holds tombstones, the first max.compaction.lag.ms after the tombstone, the second that
# and delete.retention.ms after the cleaning: no consumer has to know about a "tick" record. To abort an empty
# transaction does nothing: without a record no partition takes part in it. Readers with read_uncommitted (librdkafka
# defaults to read_committed, the Java client does not) do get the records.
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
log.cleaner.backoff.ms=200
PROPERTIES
java -cp 'libs/*' kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA -c server.properties >format.txt 2>&1 ||
  { cat format.txt; exit 1; }
java -Xmx512m -cp 'libs/*' kafka.Kafka server.properties >broker.txt 2>&1 &
broker=$!

cat >look.py <<'PY'
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition, libversion, version
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

servers, data = {"bootstrap.servers": sys.argv[1]}, Path(sys.argv[2])
print("Kafka 4.2.1, confluent-kafka", version(), "with librdkafka", libversion()[0])
settings = {"cleanup.policy": "compact", "max.compaction.lag.ms": "1000", "min.cleanable.dirty.ratio": "0.5",
            "segment.ms": "604800000", "delete.retention.ms": "1000", "file.delete.delay.ms": "100"}
print("both topics:", settings)
admin = AdminClient(servers | {"log_level": 0})
for end in [time.monotonic() + 120]:
    while True:
        try:
            admin.list_topics(timeout=5)
            break
        except Exception:
            if time.monotonic() > end:
                raise
for topic in ("idle", "ticked"):
    admin.create_topics([NewTopic(topic, 1, 1, config=settings)])[topic].result(60)
producer = Producer(servers | {"transactional.id": "finding", "log_level": 3})
producer.init_transactions(60)


def transaction(topic, key, value, abort=False):
    producer.begin_transaction()
    producer.produce(topic, value, key, partition=0)
    producer.flush(30)
    (producer.abort_transaction if abort else producer.commit_transaction)(30)


def on_disk(topic):
    held = b"".join(path.read_bytes() for path in (data / f"{topic}-0").glob("*.log"))
    return tuple(what for what in ("KEY-OF-A-PERSON", "FACE-OF-A-PERSON") if what.encode() in held)


def visible(topic, isolation):
    consumer = Consumer(servers | {"group.id": "g", "isolation.level": isolation, "enable.partition.eof": True,
                                   "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while True:
        message = consumer.poll(30)
        if message is None:
            sys.exit("the broker gave no answer")
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            consumer.close()
            return found
        found.append((message.key().decode(), message.value() and message.value().decode()))


def end_of(topic):
    consumer = Consumer(servers | {"group.id": "g"})
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)[1]
    consumer.close()
    return end


def settled(topic, wanted, limit):
    """Wait until the disk holds what is wanted, at most so long."""
    end = time.monotonic() + limit
    while (held := on_disk(topic)) != wanted and time.monotonic() < end:
        time.sleep(0.5)
    return held


wrong = []


def look(when, topic, wanted, wanted_visible, limit=60.0):
    held, seen = settled(topic, wanted, limit), visible(topic, "read_committed")
    print(f"{when}: {topic}: on disk {list(held)}, read_committed sees {seen}", flush=True)
    if held != wanted or seen != wanted_visible:
        wrong.append((when, topic))


key, value = "KEY-OF-A-PERSON", "FACE-OF-A-PERSON"
both, written = (key, value), [(key, value), (key, None)]
for topic in ("idle", "ticked"):
    transaction(topic, key, value)
    transaction(topic, key, None)
time.sleep(10)  # ten times max.compaction.lag.ms and delete.retention.ms
for topic in ("idle", "ticked"):
    look("10 s after the tombstone", topic, both, written, 0)
before = end_of("ticked")
producer.begin_transaction()
producer.abort_transaction(30)
print("end of the partition before and after an empty transaction that is aborted:", before, end_of("ticked"))
if end_of("ticked") != before:
    wrong.append(("empty", "ticked"))
transaction("ticked", "tick", "tick", abort=True)
look("after one aborted record", "ticked", (key,), [(key, None)])
time.sleep(3)
transaction("ticked", "tick", "tick", abort=True)
look("after a second one", "ticked", (), [])
look("all that time", "idle", both, written, 0)
print("read_uncommitted sees, of what is left:", visible("ticked", "read_uncommitted"))
sys.exit("not as described: upstream has changed" if wrong else 0)
PY
venv/bin/python look.py "127.0.0.1:$port" "$work/data" || { tail -n 20 broker.txt; exit 1; }
