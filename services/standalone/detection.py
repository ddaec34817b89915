"""Detection and quality, spread over the cores: one photograph a task, results in the order of the photographs.

A photograph that kills its process (a decoder written in C meets a hostile file) or takes too long ends as
unreadable like any other, and the pool goes on with a new process.
"""

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from services.detector.faces import FaceFinder
from services.detector.settings import DetectorSettings
from services.detector.step import detect, unreadable
from services.quality.settings import QualitySettings
from services.quality.step import screen
from services.standalone.settings import StandaloneSettings
from shared.adapters.folder import FolderStore
from shared.errors import ObjectError
from shared.events import BucketEvent, FacesScreened
from shared.ports import ObjectStore
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True)
class DetectionSetup:
    """What a worker process is built from; it travels to it once."""

    roots: Mapping[str, Path]
    landmarks: Path
    buckets: BucketSettings
    detector: DetectorSettings
    quality: QualitySettings


class _Worker:
    """One process's own finder and store."""

    def __init__(self, setup: DetectionSetup) -> None:
        self._setup = setup
        self._objects = FolderStore(setup.roots)
        self._finder = FaceFinder(setup.landmarks, setup.detector)

    def __call__(self, event: BucketEvent) -> FacesScreened:
        setup = self._setup
        detected = detect([event], self._objects, self._finder, setup.detector, setup.buckets)
        (screened,) = screen(detected, self._objects, setup.quality, setup.buckets)
        return screened


_workers: list[_Worker] = []  # at most one, in a worker process


def _start(setup: DetectionSetup) -> None:
    cv2.setNumThreads(1)  # the processes are the parallelism
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _workers.append(_Worker(setup))


def _end_with_parent() -> None:
    """End this process when the parent is gone, SIGKILL included; nobody would ever give it another task."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _work(event: BucketEvent) -> FacesScreened:
    return _workers[0](event)


class Detection:
    """A pool of detecting processes; a context manager."""

    def __init__(self, setup: DetectionSetup, objects: ObjectStore, settings: StandaloneSettings) -> None:
        self._objects = objects
        self._timeout = settings.photo_timeout
        # Enough waiting tasks that no process idles while the embedder computes, few enough to bound the memory.
        self._window = 2 * settings.photos_per_batch + 2 * settings.processes
        # Spawned, never forked: a fork of a process in which TensorFlow has threads can hang.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPool(max_workers=settings.processes, initializer=_start, initargs=(setup,), context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()

    def screened(self, events: Iterable[BucketEvent]) -> Iterator[FacesScreened]:
        """Yield the photograph of every event, detected and judged, in the order of the events."""
        waiting: deque[tuple[BucketEvent, ProcessFuture[FacesScreened]]] = deque()
        for event in events:
            waiting.append((event, self._pool.schedule(_work, args=(event,), timeout=self._timeout)))
            if len(waiting) >= self._window:
                yield self._result(*waiting.popleft())
        while waiting:
            yield self._result(*waiting.popleft())

    def _result(self, event: BucketEvent, future: "ProcessFuture[FacesScreened]") -> FacesScreened:
        try:
            return future.result()
        except ProcessExpired as expired:
            reason = f"decoding it killed its process (exit status {expired.exitcode})"
        except FutureTimeoutError:
            reason = f"it took longer than {self._timeout:g} s"
        etag = ""
        with contextlib.suppress(ObjectError):
            etag = self._objects.get(event.bucket, event.key).etag
        failed = unreadable(event, etag, reason)
        return FacesScreened(photo=failed.photo, outcome=failed.outcome, reason=failed.reason)
