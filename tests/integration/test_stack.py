"""The servers that the other tests stand on: that they start, keep their data, and do what the design counts on."""

import json
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote_plus
from uuid import uuid4

import psutil
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient

from shared.adapters.mongo.settings import MongoSettings
from tests.integration.conftest import Read, read_committed
from tests.support.fixtures import needed
from tools.stack import KafkaServer, MinioServer, MongoServer, issue, new_run

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(servers: Path) -> Path:
    return servers / uuid4().hex[:8]


def _produce(bootstrap_servers: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


def test_a_put_in_minio_becomes_a_record_in_kafka(kafka: str, topic: str, read: Read, folder: Path) -> None:
    with needed():
        server = MinioServer(folder, kafka=kafka, topic=topic).start()
    try:
        client = server.client()
        client.make_bucket("photos")
        server.notify("photos")
        client.put_object("photos", "a b/é.jpg", BytesIO(b"four"), 4)
        client.remove_object("photos", "a b/é.jpg")
        created, removed = (json.loads(message.value() or b"") for message in read(topic, 2))
    finally:
        server.stop()
    assert created["Key"] == removed["Key"] == "photos/a b/é.jpg"
    (record,) = created["Records"]
    assert record["eventName"] == "s3:ObjectCreated:Put"
    assert unquote_plus(record["s3"]["object"]["key"]) == "a b/é.jpg"
    assert record["s3"]["object"]["size"] == 4
    (later,) = removed["Records"]
    assert later["eventName"] == "s3:ObjectRemoved:Delete"
    assert int(later["s3"]["object"]["sequencer"], 16) > int(record["s3"]["object"]["sequencer"], 16)


def test_the_records_of_an_aborted_transaction_stay_hidden(kafka: str, topic: str, read: Read) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic})
    producer.init_transactions(30)
    for value, end in {b"1": producer.commit_transaction, b"2": producer.abort_transaction}.items():
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        end(30)
    _produce(kafka, topic, b"3")
    assert [message.value() for message in read(topic, 2)] == [b"1", b"3"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_kafka_keeps_port_and_records_over_a_restart(folder: Path, end: str) -> None:
    with needed():
        server = KafkaServer(folder).start()
    try:
        server.create_topic("kept")
        _produce(server.bootstrap_servers, "kept", b"1")
        getattr(server, end)()
        assert not server.healthy()
        server.restart()
        _produce(server.bootstrap_servers, "kept", b"2")
        found = read_committed(server.client_settings, "kept", 2)
        assert [message.value() for message in found] == [b"1", b"2"]
    finally:
        server.stop()


def test_kafka_with_tls_and_a_password_takes_transactions_and_refuses_others(folder: Path) -> None:
    with needed():
        server = KafkaServer(folder, certificates=issue(folder / "certificates")).start()
    try:
        server.create_topic("secured")
        producer = Producer({**server.client_settings, "transactional.id": "secured"})
        producer.init_transactions(60)
        producer.begin_transaction()
        producer.produce("secured", b"1")
        producer.commit_transaction(60)
        assert [message.value() for message in read_committed(server.client_settings, "secured", 1)] == [b"1"]
        with pytest.raises(KafkaException):
            AdminClient({**server.client_settings, "sasl.password": "wrong", "log_level": 0}).list_topics(timeout=3)
    finally:
        server.stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_minio_keeps_port_and_objects_over_a_restart(folder: Path, end: str) -> None:
    with needed():
        server = MinioServer(folder).start()
    try:
        client = server.client()
        client.make_bucket("photos")
        client.put_object("photos", "a.jpg", BytesIO(b"four"), 4)
        getattr(server, end)()
        assert not server.healthy()
        server.restart()
        assert client.get_object("photos", "a.jpg").data == b"four"
    finally:
        server.stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_mongo_keeps_port_and_documents_over_a_restart(folder: Path, end: str) -> None:
    with needed():
        server = MongoServer(folder).start()
    try:
        with MongoClient[dict[str, object]](server.uri, w="majority") as client:
            client["test"]["kept"].insert_one({"_id": 1})
            getattr(server, end)()
            assert not server.healthy()
            server.restart()
            assert list(client["test"]["kept"].find()) == [{"_id": 1}]
    finally:
        server.stop()


def test_a_frozen_server_does_not_answer_until_it_thaws(folder: Path) -> None:
    with needed():
        server = MongoServer(folder).start()
    try:
        server.freeze()
        assert server.running()
        assert not server.healthy()
        server.thaw()
        with MongoClient[dict[str, object]](server.uri) as client:
            assert client.admin.command("ping")["ok"] == 1
    finally:
        server.stop()


def test_two_servers_of_one_kind_do_not_see_each_other(mongo: MongoSettings, folder: Path) -> None:
    with needed():
        server = MongoServer(folder).start()
    uris = (server.uri, mongo.uri.get_secret_value())
    try:
        name = f"things_{uuid4().hex}"
        for uri, expected in zip(uris, (0, 1), strict=True):
            with MongoClient[dict[str, object]](uri) as client:
                assert client["test"][name].count_documents({}) == 0
                client["test"][name].insert_one({"_id": expected})
    finally:
        server.stop()


_KILLED_RUN = """
import os, signal
from tools.stack import MongoServer, new_run
with new_run() as folder:
    server = MongoServer(folder / "mongo").start()
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_servers_of_a_killed_run_are_stopped_by_the_next() -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED_RUN], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder = Path(done.stdout.strip())
    pid = json.loads((folder / "mongo" / "process.json").read_text())["pid"]
    assert psutil.pid_exists(pid)
    with new_run():
        assert not folder.exists()
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_took_over_the_number_of_an_ended_server_is_left_alone(folder: Path) -> None:
    server = MongoServer(folder)
    folder.mkdir()
    (folder / "process.json").write_text(json.dumps({"pid": os.getpid(), "started": 1.0}))
    assert not server.running()
    server.kill()
    server.stop()
