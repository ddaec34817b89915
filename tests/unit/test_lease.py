"""The lease: one works, the others do not, whatever their clocks say."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.reclusterer.generations.lease import acquire_lease, heartbeat
from services.reclusterer.settings import JobSettings
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.records import Generation, GenerationState, Lease
from shared.errors import Busy, Fatal, Transient
from tests.support.reclustering import no_wait

SETTINGS = JobSettings(lease=3, clock_skew=60)


def held_by(holder: str, expires_in: float, seconds: float = 3) -> MemoryRepository:
    repository = MemoryRepository()
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in)
    repository.replace_lease(None, Lease(7, holder, 5, seconds, expires_at))
    return repository


def test_the_number_grows_whenever_the_lease_is_taken() -> None:
    repository = MemoryRepository()
    numbers = []
    for holder in ("one", "one", "other"):
        with acquire_lease(repository, holder, SETTINGS, no_wait) as acquired:
            numbers.append(acquired.number)
            lease = repository.lease()
            assert lease
            assert (lease.number, lease.holder) == (acquired.number, holder)
    assert numbers == [1, 2, 3]
    lease = repository.lease()
    assert lease
    assert lease.holder is None


def renewing(repository: MemoryRepository) -> Callable[[float], None]:
    def wait(_seconds: float) -> None:
        lease = repository.lease()
        assert lease
        repository.replace_lease(lease, replace(lease, renewals=lease.renewals + 1))

    return wait


@pytest.mark.parametrize("expires_in", [-30, 3, 100_000], ids=["late clock", "same clock", "early clock"])
def test_who_finds_the_holder_alive_is_told_so_at_once(expires_in: float) -> None:
    repository = held_by("other", expires_in)
    with (
        pytest.raises(Busy, match="other is at work"),
        acquire_lease(repository, "one", SETTINGS, renewing(repository)),
    ):
        pass


@pytest.mark.parametrize("expires_in", [-30, 3, 100_000], ids=["late clock", "same clock", "early clock"])
def test_a_silent_holder_is_watched_as_long_as_its_lease_lasts(expires_in: float) -> None:
    repository = held_by("other", expires_in, seconds=0.05)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(0.03)

    with acquire_lease(repository, "one", SETTINGS, wait) as acquired:
        assert acquired.number == 8
    assert len(waits) >= 1


def test_a_lease_that_ended_longer_ago_than_clocks_differ_is_taken_at_once() -> None:
    with acquire_lease(held_by("other", -61), "one", SETTINGS, never) as acquired:
        assert acquired.number == 8


def test_the_same_process_in_its_next_life_takes_its_lease_at_once() -> None:
    with acquire_lease(held_by("one", 100_000), "one", SETTINGS, never) as acquired:
        assert acquired.number == 8


def never(_seconds: float) -> None:
    pytest.fail("waited")


def test_who_was_silent_for_too_long_can_neither_swap_nor_go_on() -> None:
    repository = MemoryRepository()
    repository.save_generation(Generation(1, GenerationState.BUILDING, "", "", {}))
    with acquire_lease(repository, "one", SETTINGS, no_wait) as late:
        lease = repository.lease()
        assert lease
        repository.replace_lease(lease, replace(lease, number=lease.number + 1, holder="other"))
        for call in (late.check, late.renew):
            with pytest.raises(Fatal, match="the lease went to other"):
                call()
        assert not repository.activate(1, None, late.number)
    lease = repository.lease()
    assert lease
    assert lease.holder == "other", "it is not taken from who has it now"


def test_a_renewal_that_was_written_although_no_answer_came_does_no_harm() -> None:
    repository = MemoryRepository()
    with acquire_lease(repository, "one", SETTINGS, no_wait) as acquired:
        written = repository.replace_lease

        def unanswered(expected: Lease | None, lease: Lease) -> bool:
            written(expected, lease)
            raise Transient

        repository.replace_lease = unanswered  # type: ignore[method-assign]
        with pytest.raises(Transient):
            acquired.renew()
        repository.replace_lease = written  # type: ignore[method-assign]
        acquired.renew()
        acquired.renew()
        lease = repository.lease()
        assert lease
        assert lease.renewals == 2


def test_the_heartbeat_renews_until_the_work_is_done() -> None:
    repository = MemoryRepository()
    with acquire_lease(repository, "one", SETTINGS, no_wait) as acquired, heartbeat(acquired, 0.01):
        until = time.monotonic() + 20
        while (lease := repository.lease()) and lease.renewals < 3:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert "lease" not in {thread.name for thread in threading.enumerate()}
