"""Processes known by pid and start time, so that no other process with the same pid is ever killed."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

_TIMEOUT = 20.0  # seconds that a process may take to end after SIGTERM


def start(command: list[str], environment: Mapping[str, str], folder: Path) -> "Process":
    """Start a program that logs to `folder`, in a session of its own, so that Ctrl-C does not reach it."""
    # Not `subprocess.Popen`, which warns if its object is deleted while the process still runs, as here.
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(folder / "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    record = {"pid": pid, "started": psutil.Process(pid).create_time()}
    (folder / "process.json").write_text(json.dumps(record))
    return Process(folder)


class Process:
    """The process recorded in `folder`, which may have ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def running(self) -> bool:
        """Return whether the process runs."""
        return self._find() is not None

    def stop(self) -> None:
        """Send SIGTERM, and after 20 s SIGKILL."""
        process = self._find()
        if process:
            process.resume()  # a frozen process does not handle SIGTERM
            process.terminate()
            try:
                process.wait(_TIMEOUT)
            except psutil.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        process = self._find()
        if process:
            process.kill()
            process.wait(_TIMEOUT)

    def freeze(self) -> None:
        """Suspend the process with its connections open; returns when all its threads have stopped."""
        process = self._expect()
        process.suspend()
        # Each thread stops only when it is next scheduled.
        while any(psutil.Process(thread.id).status() != psutil.STATUS_STOPPED for thread in process.threads()):
            time.sleep(0.01)

    def thaw(self) -> None:
        """Resume the process."""
        self._expect().resume()

    def exit_status(self) -> int | None:
        """Return the exit status of the process, negative for a signal, and reap it.

        None if it still runs, was reaped before, or is no child of this process.
        """
        try:
            record = json.loads((self._folder / "process.json").read_text())
            process = psutil.Process(record["pid"])
            if process.create_time() != record["started"] or process.status() != psutil.STATUS_ZOMBIE:
                return None
            return process.wait(_TIMEOUT)  # a process whose first thread has ended may have others for a moment
        except (FileNotFoundError, psutil.NoSuchProcess, psutil.TimeoutExpired):
            return None

    def log(self) -> str:
        """Return the last 3,000 characters of its log."""
        try:
            return (self._folder / "log").read_text(errors="replace")[-3000:]
        except FileNotFoundError:
            return ""

    def _expect(self) -> psutil.Process:
        process = self._find()
        if not process:
            msg = f"{self._folder.name}: expected a running process, found none"
            raise RuntimeError(msg)
        return process

    def _find(self) -> psutil.Process | None:
        try:
            record = json.loads((self._folder / "process.json").read_text())
            process = psutil.Process(record["pid"])
            alive = process.create_time() == record["started"] and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        return process if alive else None
