"""Servers of tests that run side by side never get the same port."""

import pytest

from tools.stack import ports


def test_no_port_is_given_twice() -> None:
    given = [ports.free_port() for _ in range(300)]
    assert len(set(given)) == len(given)


def test_two_workers_share_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    shares = []
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        shares.append(set(ports._numbers()))
    assert not shares[0] & shares[1]
    assert min(map(len, shares)) > 1000
