"""What the three servers have in common."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tools.stack import process
from tools.stack.ports import free_port

_PATIENCE = 120.0  # seconds until it must answer; 1 to 3 s on an idle machine


@dataclass
class Server:
    """A server on 127.0.0.1. Its data and its log lie in `folder`; `restart` keeps port and data."""

    folder: Path
    port: int = field(default_factory=free_port)

    def command(self) -> list[str]:
        """Return the command line; installs what is missing, and raises `Missing` where that cannot be done."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the environment variables that it needs beside those of this process."""
        return {}

    def healthy(self) -> bool:
        """Say whether it answers; takes a few seconds at most."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = process.start(self.command(), os.environ | self.environment(), self.folder)
        deadline = time.monotonic() + _PATIENCE
        while not self.healthy():
            if not self._process.running() or time.monotonic() > deadline:
                state = "does not answer" if self._process.running() else "has ended"
                log = self._process.log()
                self._process.kill()
                msg = f"{type(self).__name__} on port {self.port} {state}; the end of its log:\n{log}"
                raise RuntimeError(msg)
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        """End it in good order."""
        self._process.stop()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._process.kill()

    def freeze(self) -> None:
        """Let it stand still with its connections open."""
        self._process.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self._process.thaw()

    def running(self) -> bool:
        """Say whether its process runs, frozen or not."""
        return self._process.running()

    def restart(self) -> Self:
        """Stop it, unless it has ended, and start it on the same port with the same data."""
        self.stop()
        return self.start()

    def __post_init__(self) -> None:
        self.folder = Path(self.folder).absolute()
        self._process = process.Process(self.folder)
