"""The net under calls of Kafka's client that never return."""

import subprocess
import sys

import pytest

from tools.samples import ROOT

_CALL = """
import time
from shared.adapters.kafka.watchdog import Watch
watch = Watch(longest=2)
with watch.over():
    {call}
print("returned")
"""

_WRITER = """
import time
from shared.adapters.kafka import writer as kafka_writer
from shared.adapters.kafka.settings import KafkaSettings

class Producer:
    def __init__(self, _settings):
        pass

    def __getattr__(self, name):
        return lambda *_: time.sleep(600) if name == "{call}" else 0

kafka_writer.Producer, kafka_writer._LONGEST = Producer, 1
writer = kafka_writer.KafkaWriter(KafkaSettings(), "test")
writer.write_if([], lambda: False)
writer.write([])
print("returned")
"""


def process_of(call: str, script: str = _CALL) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script.format(call=call)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_process_whose_call_does_not_return_ends_with_status_1_and_says_why() -> None:
    ended = process_of("time.sleep(600)")
    assert ended.returncode == 1
    assert "does not return" in ended.stderr
    assert not ended.stdout


def test_before_the_end_it_tells_where_every_thread_stands_and_no_values() -> None:
    script = """
import threading, time
from shared.adapters.kafka.watchdog import Watch

def waits_elsewhere(password):
    time.sleep(600)

def commits(password):
    with Watch(longest=1).over():
        {call}

threading.Thread(target=waits_elsewhere, args=["s3cret"], daemon=True).start()
commits("s3cret")
"""
    told = process_of("time.sleep(600)", script).stderr
    assert "in waits_elsewhere" in told
    assert "in commits" in told
    assert "s3cret" not in told
    assert "does not return" in told.splitlines()[-1]


@pytest.mark.slow
def test_time_outside_of_calls_does_not_count() -> None:
    ended = process_of("pass\ntime.sleep(3)")
    assert (ended.returncode, ended.stdout) == (0, "returned\n")


@pytest.mark.slow
def test_each_call_has_its_own_time() -> None:
    ended = process_of("pass\nfor _ in range(3):\n    with watch.over():\n        time.sleep(0.9)")
    assert (ended.returncode, ended.stdout) == (0, "returned\n")


@pytest.mark.slow
@pytest.mark.parametrize("call", ["init_transactions", "flush", "abort_transaction", "commit_transaction"])
def test_commands_and_the_job_end_where_a_call_of_their_writer_does_not_return(call: str) -> None:
    ended = process_of(call, _WRITER)
    assert ended.returncode == 1
    assert "does not return" in ended.stderr
    assert process_of("poll", _WRITER).stdout == "returned\n"
