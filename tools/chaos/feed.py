"""The photographs of a drill, and an uploader that tries until each is stored."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from shared.errors import Transient
from shared.ports.objects import ObjectStore
from tools.samples import PEOPLE, sample_photos

_PAUSE = 0.3  # seconds between two attempts


def sample_folder(folder: Path, count: int) -> list[Path]:
    """Write `count` photographs into a folder and return their paths.

    They are the samples, repeated with other bytes behind the end of the image: in a folder, files with equal bytes
    are one photograph. The people take turns, so that the first photographs show all of them.
    """
    by_person = [sample_photos(person) for person in PEOPLE]
    longest = max(map(len, by_person))
    one_round = [photos[index] for index in range(longest) for photos in by_person if index < len(photos)]
    made = []
    for number in range(count):
        photo, again = one_round[number % len(one_round)], number // len(one_round)
        target = folder / str(again) / photo.parent.name / photo.name
        target.parent.mkdir(parents=True, exist_ok=True)
        suffix = f"again {again}".encode() if again else b""
        target.write_bytes(photo.read_bytes() + suffix)
        made.append(target)
    return made


class Feed:
    """Puts and removes objects in the bucket `photos`, one after the other; tries each until the store has done it.

    `wanted`: the expected state of each key, which is the MD5 of the object, or None if it was removed.
    """

    def __init__(self, store: ObjectStore, pace: float) -> None:
        """`pace`: seconds between two objects."""
        self.wanted: dict[str, str | None] = {}
        self._store = store
        self._pace = pace
        self._asked = self._done = 0
        self._queue: SimpleQueue[tuple[str, bytes | None]] = SimpleQueue()
        Thread(target=self._work, name="feed", daemon=True).start()

    @property
    def idle(self) -> bool:
        """Return whether all objects are put or removed."""
        return self._done == self._asked

    def put(self, key: str, data: bytes) -> None:
        """Put an object in the background."""
        self._asked += 1
        self._queue.put((key, data))

    def remove(self, key: str) -> None:
        """Remove an object in the background."""
        self._asked += 1
        self._queue.put((key, None))

    def put_files(self, folder: Path, files: Sequence[Path]) -> None:
        """Put files in the background, under their paths in the folder."""
        for file in files:
            self.put(file.relative_to(folder).as_posix(), file.read_bytes())

    def _work(self) -> None:
        while True:
            key, data = self._queue.get()
            while not self._tried(key, data):
                time.sleep(_PAUSE)
            self.wanted[key] = None if data is None else hashlib.md5(data, usedforsecurity=False).hexdigest()
            self._done += 1
            time.sleep(self._pace)

    def _tried(self, key: str, data: bytes | None) -> bool:
        try:
            if data is None:
                self._store.remove("photos", [key])
            else:
                self._store.put("photos", key, data, "image/jpeg")
        except Transient:
            return False
        return True
