"""The base class of servers."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tools.stack import process
from tools.stack.ports import free_port

_TIMEOUT = 120.0  # seconds until a server must answer; on an idle machine it takes 1 to 3


@dataclass
class Server:
    """A server on 127.0.0.1. Its data and its log are in `folder`; `restart` keeps port and data."""

    folder: Path
    port: int = field(default_factory=free_port)

    def command(self) -> list[str]:
        """Return the command line. Installs the program if needed; raises `Missing` if that is impossible."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return environment variables to add to those of this process."""
        return {}

    def healthy(self) -> bool:
        """Return whether the server answers; takes a few seconds at most."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start the server and wait until it answers; RuntimeError with the end of its log if it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = process.start(self.command(), os.environ | self.environment(), self.folder)
        deadline = time.monotonic() + _TIMEOUT
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
        """Stop the server with SIGTERM."""
        self._process.stop()

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        self._process.kill()

    def freeze(self) -> None:
        """Suspend the server with its connections open."""
        self._process.freeze()

    def thaw(self) -> None:
        """Resume the server."""
        self._process.thaw()

    def running(self) -> bool:
        """Return whether its process runs, frozen or not."""
        return self._process.running()

    def restart(self) -> Self:
        """Stop the server if it runs, and start it on the same port with the same data."""
        self.stop()
        return self.start()

    def __post_init__(self) -> None:
        self.folder = Path(self.folder).absolute()
        self._process = process.Process(self.folder)
