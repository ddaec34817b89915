"""Rights that are withdrawn for a while and given back: processes end and say which, nothing is lost or said twice."""

import io
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from shared.access.rights import RIGHTS, KafkaRight
from shared.domain.topics import DEAD_LETTERS, FACES_SCREENED
from tests.support.command_line import facestream_in_process
from tests.support.fixtures import needed
from tests.support.restricted_stack import RestrictedStack, restricted_stack
from tools.chaos.feed import Feed
from tools.chaos.supervisor import Supervisor
from tools.pipeline import Pipeline
from tools.stack.kafka_users import without

pytestmark = pytest.mark.slow

_SERVICES = ("detector", "quality")
_PACE = 0.1  # seconds between two uploads
_PHOTOGRAPHS = 10  # that come while a right is gone


@pytest.fixture
def world(servers: Path) -> Iterator[RestrictedStack]:
    with needed(), restricted_stack(servers / uuid4().hex[:8], session_timeout=2.0) as found:
        with found.acting_as("init"):
            assert facestream_in_process("init", "--partitions", "2").error == ""
        yield found


def test_a_right_that_is_gone_for_a_while_costs_no_photograph(world: RestrictedStack, tmp_path: Path) -> None:
    pipeline = Pipeline(world.stack, tmp_path, of_service={user: world.environment(user) for user in _SERVICES})
    supervisor, feed = Supervisor(pipeline), Feed(pipeline.store, _PACE)
    numbers, pictures = count(), np.random.default_rng(0)

    def upload() -> None:
        for number in range(_PHOTOGRAPHS):
            feed.put(f"{next(numbers)}.jpg", _picture(pictures, number))

    def said() -> Counter[bytes | None]:
        return Counter(record.key for record in pipeline.read(FACES_SCREENED.name))

    try:
        pipeline.start(*_SERVICES)
        for service, right, operation in _denied():
            ended = len(supervisor.exits)
            with without(world.stack.kafka, service, right, operation):
                upload()
                supervisor.wait(lambda ended=ended: len(supervisor.exits) > ended, f"an end for lack of {right}")  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            gone = supervisor.exits[ended]
            assert gone.name.startswith(service)
            assert gone.status
            assert right.name in gone.reason
            assert operation in gone.reason
            supervisor.wait(lambda: feed.idle and len(said()) == len(feed.wanted), "all photographs")
    finally:
        for process in pipeline.processes.values():
            process.stop()
    assert set(said().values()) == {1}


def _denied() -> Iterator[tuple[str, KafkaRight, str]]:
    """Yield what is taken away: the topics of a service, and all that the next one needs here."""
    for service, kinds in (("detector", {"topic"}), ("quality", {"topic", "group", "transactionalId"})):
        for right in RIGHTS[service].kafka:
            if right.resource in kinds and right.name != DEAD_LETTERS.name:
                yield from ((service, right, operation) for operation in right.operations)


def _picture(rng: np.random.Generator, number: int) -> bytes:
    """Return a small photograph of nobody, unlike all others."""
    pixels = rng.integers(0, 255, (64, 64 + number, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG")
    return target.getvalue()
