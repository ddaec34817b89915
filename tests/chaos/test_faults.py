"""Faults in the running stream: nothing is lost, nothing is said twice, and every process comes back by itself.

The short form; `python -m tools.chaos` is the long one. The tests share one stream, and run in this order.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from shared.adapters.kafka.watchdog import LAST_WORDS
from tests.support.fixtures import needed
from tools.chaos import faults
from tools.chaos.drill import Cost, Drill, new_drill
from tools.chaos.verdict import findings

pytestmark = pytest.mark.slow

_SESSION = 3.0  # seconds; a deployment has more


@pytest.fixture(scope="module")
def drill(servers: Path) -> Iterator[Drill]:
    with needed(), new_drill(servers / uuid4().hex[:8], 180, seed=1, session_timeout=_SESSION) as drill:
        yield drill


def cost(drill: Drill, kind: str) -> Cost:
    """What a kind of fault has cost: no photograph, no repetition."""
    found = drill.costs[kind]
    assert not found.lost
    assert not found.repeated, [str(it) for it in drill.witness.repeated()]
    return found


def unharmed(drill: Drill, kind: str) -> None:
    """A fault that no process may end for.

    One may whose client has lost all brokers, in this fault or in one before (docs/decisions/013).
    """
    assert not [str(ended) for ended in cost(drill, kind).exits if ended.reason != LAST_WORDS]


def test_killed_processes_cost_nothing(drill: Drill) -> None:
    faults.killed(drill, 12)
    unharmed(drill, "a process killed (SIGKILL)")


def test_a_photograph_that_kills_whole_containers_costs_itself_alone(drill: Drill) -> None:
    faults.deadly_photograph(drill)
    unharmed(drill, "a container killed at one photograph")


def test_processes_told_to_stop_finish_their_batch(drill: Drill) -> None:
    faults.stopped(drill)
    cost(drill, "a process stopped (SIGTERM)")


def test_a_broker_that_is_restarted_costs_nothing(drill: Drill) -> None:
    faults.broker_restarted(drill)
    unharmed(drill, "the broker restarted")


@pytest.mark.parametrize("server", ["kafka", "minio", "mongo"])
def test_a_server_that_is_away_costs_nothing(drill: Drill, server: str) -> None:
    faults.away(drill, server, 5)
    unharmed(drill, f"5 s without {server}")


def test_of_two_processes_of_one_name_the_older_one_ends_and_nothing_is_said_twice(drill: Drill) -> None:
    faults.fenced(drill)
    cost(drill, "one name, two processes")


def test_a_process_that_wakes_up_after_its_session_writes_nothing_twice(drill: Drill) -> None:
    faults.frozen(drill, "assigner-1", _SESSION)
    cost(drill, "assigner frozen past its session")


def test_poison_in_every_topic_goes_to_the_dead_letters(drill: Drill) -> None:
    faults.poisoned(drill)
    unharmed(drill, "a poison message in every topic")


def test_notices_of_other_buckets_and_a_size_that_is_not_so_cost_nothing(drill: Drill) -> None:
    faults.misleading_notifications(drill)
    unharmed(drill, "notifications of other buckets, and with a wrong size")


def test_an_object_that_is_removed_before_it_was_read_ends_as_removed(drill: Drill) -> None:
    faults.removed_before_it_was_read(drill)
    unharmed(drill, "an object removed before it was read")


def test_a_folder_that_the_listing_hides_costs_nothing_and_nobody_is_erased(drill: Drill) -> None:
    faults.folder_hidden(drill)
    unharmed(drill, "an object hides a folder from listings")


@pytest.mark.parametrize("service", ["quality", "embedder"])
def test_a_face_whose_crop_is_missing_is_rejected(drill: Drill, service: str) -> None:
    faults.crop_missing(drill, service)
    unharmed(drill, f"a crop missing for the {service}")


def test_a_full_object_store_is_waited_for(drill: Drill) -> None:
    faults.store_full(drill)
    unharmed(drill, "the object store full")


def test_in_the_end_the_stream_says_what_the_standalone_runner_says(drill: Drill) -> None:
    assert not findings(drill)
