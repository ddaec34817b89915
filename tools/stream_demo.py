"""The whole stream on this machine: servers, services, photographs, events, one reclustering.

    python -m tools.stream_demo

Everything starts on free ports, and stops at the end.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import Self

from shared.domain.events import ClusterChanged, ImageProcessed
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED, IMAGES_PROCESSED
from tools.pipeline import SERVICES, Pipeline
from tools.samples import FACESTREAM, PEOPLE, link_photos, sample_photos
from tools.stack import new_run
from tools.stack.install import Missing
from tools.stack.stack import new_stack

_FIRST = 10  # photographs of each person before the reclustering; one more comes after it
_SHORT = 12  # digits of an identifier that are printed
_MIN_CLUSTER_SIZE = 4  # faces; small, because there are few photographs


class Watch:
    """A context manager that runs `facestream watch` and prints its lines as they come."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        command = [str(FACESTREAM), "watch", "--from-beginning"]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self._faces, self._changed = 0, Condition()
        self._copier = Thread(target=self._copy, daemon=True)

    def __enter__(self) -> Self:
        self._copier.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._copier.join(20)

    def wait(self, faces: int) -> None:
        """Wait until `faces` lines about faces are printed in all; TimeoutError after a minute."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._faces >= faces, 60):
                msg = f"expected {faces} events of faces, saw {self._faces}"
                raise TimeoutError(msg)

    def _copy(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            sys.stdout.write(f"  {line}")
            sys.stdout.flush()
            with self._changed:
                self._faces += "  face " in line
                self._changed.notify_all()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print a title, and the seconds that the block took."""
    sys.stdout.write(f"== {what}\n")
    sys.stdout.flush()
    started = time.monotonic()
    yield
    sys.stdout.write(f"   {time.monotonic() - started:.1f} s\n")


def facestream(environment: Mapping[str, str], *arguments: str | Path) -> None:
    """Run a command and print its output, indented."""
    sys.stdout.write(f"$ facestream {arguments[0]}\n")
    done = subprocess.run(
        [FACESTREAM, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    sys.stdout.write("".join(f"  {line}\n" for line in done.stdout.splitlines()))


def wait_for_outcomes(pipeline: Pipeline, photos: int) -> int:
    """Wait until `photos` photographs have an outcome; return the number of their accepted faces."""
    pipeline.wait(lambda: len(pipeline.current(IMAGES_PROCESSED.name)) >= photos, f"{photos} outcomes")
    values = [value for value in pipeline.current(IMAGES_PROCESSED.name).values() if value]
    outcomes = [ImageProcessed.model_validate_json(value) for value in values]
    return sum(outcome.assigned + outcome.unknown for outcome in outcomes)


def recluster(environment: Mapping[str, str], pipeline: Pipeline) -> int:
    """Run the reclusterer, print the people, and return for how many faces it published an event."""
    before = len(pipeline.read(FACES_ASSIGNED.name))
    sys.stdout.write("$ python -m services.reclusterer --once\n")
    settings = {
        "FACESTREAM_RECLUSTERER_MIN_CLUSTER_SIZE": str(_MIN_CLUSTER_SIZE),
        "FACESTREAM_RECLUSTERER_DRAIN_PERIOD": "2",
    }
    command = [sys.executable, "-m", "services.reclusterer", "--once"]
    subprocess.run(command, env={**environment, **settings}, stderr=subprocess.DEVNULL, check=True)
    for value in pipeline.current(CLUSTERS_CHANGED.name).values():
        change = ClusterChanged.model_validate_json(value or b"")
        sys.stdout.write(
            f"  person {change.cluster_id[:_SHORT]}  {change.change}  {change.size} faces"
            f"  generation {change.generation}\n"
        )
    return len(pipeline.read(FACES_ASSIGNED.name)) - before


def _folder(folder: Path, photos: Sequence[Path]) -> Path:
    link_photos(folder, *photos)
    return folder


def _demo(folder: Path) -> None:
    photos = {person: sample_photos(person)[: _FIRST + 1] for person in PEOPLE}
    first = _folder(folder / "first", [photo for found in photos.values() for photo in found[:_FIRST]])
    later = _folder(folder / "later", [found[_FIRST] for found in photos.values()])
    pipeline = Pipeline(new_stack(folder), folder)
    environment = {**os.environ, **pipeline.stack.environment()}
    with step("Kafka, MinIO and a server of MongoDB's protocol"):
        for server in pipeline.stack.servers.values():
            server.start()
    facestream(environment, "init")
    with step(f"services: {', '.join(SERVICES)}"):
        pipeline.start(*SERVICES)
    with Watch(environment) as watch:
        with step(f"{_FIRST} photographs of each of {len(PEOPLE)} people; nobody is known yet"):
            facestream(environment, "ingest", first)
            events = wait_for_outcomes(pipeline, _FIRST * len(PEOPLE))
            watch.wait(events)
        with step("reclustering of all faces"):
            changed = recluster(environment, pipeline)
            watch.wait(events + changed)
        with step("one more photograph of each"):
            facestream(environment, "ingest", later)
            watch.wait(wait_for_outcomes(pipeline, (_FIRST + 1) * len(PEOPLE)) + changed)
    with step("all stopped"):
        for process in pipeline.processes.values():
            process.stop()
        pipeline.stack.stop()


def main() -> int:
    """Run the demonstration, or print which program is missing."""
    try:
        with new_run() as folder:
            _demo(folder)
    except Missing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
