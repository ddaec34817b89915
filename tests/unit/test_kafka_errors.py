"""What a client's reports say of the brokers that it knows."""

import json

from shared.adapters.kafka.errors import Listener

_COORDINATOR = {"source": "logical", "state": "UP"}


def report(*brokers: dict[str, str]) -> str:
    """Return what matters of a report; the whole is in librdkafka's STATISTICS.md."""
    return json.dumps({"brokers": {str(number): broker for number, broker in enumerate(brokers)}})


def heard(*reports: str) -> Listener:
    listener = Listener()
    for it in reports:
        listener.statistics(it)
    return listener


def test_a_client_that_knows_of_no_broker_is_lost_though_its_coordinator_is_connected() -> None:
    assert heard(*[report(_COORDINATOR)] * 10).lost


def test_a_client_whose_brokers_are_away_is_not_lost() -> None:
    away = report({"source": "configured", "state": "TRY_CONNECT"}, {"source": "logical", "state": "INIT"})
    assert not heard(*[away] * 100).lost


def test_a_client_that_knows_of_no_broker_for_a_moment_is_not_lost() -> None:
    nothing, found = report(_COORDINATOR), report({"source": "learned", "state": "UP"})
    assert not heard(nothing, found, nothing, found, nothing).lost
