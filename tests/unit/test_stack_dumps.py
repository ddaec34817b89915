"""A service that is about to be ended from outside, or by a library in C, says where its threads stand."""

import subprocess
import sys

from tools.samples import ROOT

_STALLED = """
import time
from http.client import HTTPConnection
from threading import Thread
from shared.stream.health import Health, serve

def probe(port):
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/livez")
    return connection.getresponse().status

def stands_still(secret, asks):
    health = Health(stall_timeout={patience})
    server = serve(health, "127.0.0.1", 0)
    print(*[probe(server.server_port) for _ in range(asks)])
    {then}

stands_still("s3cret", 3)
"""

_CRASHED = """
import faulthandler
faulthandler.disable()
from shared.stream.service import service

def calls_into_c(secret):
    {call}

with service("test") as it:
    calls_into_c("s3cret")
"""


def ran(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_service_that_does_not_go_on_writes_its_stacks_once_when_it_is_asked_whether_it_lives() -> None:
    done = ran(_STALLED.format(patience=-1, then="pass"))
    assert done.stdout.split() == ["503"] * 3
    assert done.stderr.count("in stands_still") == 1
    assert "s3cret" not in done.stderr


def test_a_service_that_stands_still_again_writes_them_again() -> None:
    done = ran(_STALLED.format(patience=-1, then="health.looped(); probe(server.server_port)"))
    assert done.stderr.count("in stands_still") == 2


def test_a_service_that_goes_on_writes_no_stacks() -> None:
    done = ran(_STALLED.format(patience=600, then="pass"))
    assert (done.stdout.split(), done.stderr) == (["200"] * 3, "")


def test_a_service_that_is_ended_by_a_library_in_c_says_in_which_call() -> None:
    done = ran(_CRASHED.format(call="__import__('os').abort()"))
    assert done.returncode < 0
    assert "in calls_into_c" in done.stderr
    assert "s3cret" not in done.stderr
