"""A server's process, known by its number and the time of its start, so that no other one is ever hit."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

_PATIENCE = 20.0  # seconds that a server may take to end by itself


def start(command: list[str], environment: Mapping[str, str], folder: Path) -> "Process":
    """Start a program in a session of its own, so that a Ctrl-C meant for us does not reach it; it logs to `folder`."""
    # Not `subprocess.Popen`: it complains where its object goes while the program stays, which is what we want.
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
    """The process whose record lies in `folder`, and which may have ended long ago."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def running(self) -> bool:
        """Say whether it runs."""
        return self._find() is not None

    def stop(self) -> None:
        """Ask it to end, and after 20 s make it."""
        process = self._find()
        if process:
            process.resume()  # a frozen one hears nothing
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except psutil.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        process = self._find()
        if process:
            process.kill()
            process.wait(_PATIENCE)

    def freeze(self) -> None:
        """Let it stand still with its connections open, as an overloaded machine does; returns when it does."""
        process = self._expect()
        process.suspend()
        # The signal is sent at once, but each thread stops when it next comes by.
        while any(psutil.Process(thread.id).status() != psutil.STATUS_STOPPED for thread in process.threads()):
            time.sleep(0.01)

    def thaw(self) -> None:
        """Let it go on."""
        self._expect().resume()

    def exit_status(self) -> int | None:
        """Return the status that it has ended with, negative where a signal ended it; then forget it.

        None where it runs, where it was asked before, and where it is no child of this process.
        """
        try:
            record = json.loads((self._folder / "process.json").read_text())
            process = psutil.Process(record["pid"])
            if process.create_time() != record["started"] or process.status() != psutil.STATUS_ZOMBIE:
                return None
            return process.wait(_PATIENCE)  # a process whose first thread has ended may have others for a moment
        except (FileNotFoundError, psutil.NoSuchProcess, psutil.TimeoutExpired):
            return None

    def log(self) -> str:
        """Return the end of its log."""
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
