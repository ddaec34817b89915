"""A supervisor that starts every process again that has ended, as a kubelet does."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.pipeline import Pipeline

_TIMEOUT = 240.0  # seconds; what is waited for takes about ten
_CRASH_LOOP = 10  # exits of one process; more than these fail the drill


@dataclass(frozen=True)
class Exit:
    """A process that has ended by itself: its name, exit status, and the reason that it logged."""

    name: str
    status: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ended with status {self.status}: {self.reason}"


@dataclass
class Supervisor:
    """Watches over the processes of a pipeline.

    `kills`: number of processes killed by `kill`, by service. `exits`: the other ends of processes.
    """

    pipeline: Pipeline
    kills: Counter[str] = field(default_factory=Counter)
    exits: list[Exit] = field(default_factory=list)

    def restart_ended(self) -> None:
        """Start every process again that has ended."""
        for name, process in list(self.pipeline.processes.items()):
            if not process.running():
                self.exits.append(Exit(name, process.exit_status(), self.last_log_line(name)))
                loop = sum(ended.name == name for ended in self.exits) > _CRASH_LOOP
                assert not loop, f"{name} ends again and again:\n{process.log()}"
                self.start(name)

    def start(self, name: str) -> None:
        """Start a process of this name without waiting until it is ready."""
        service, _, number = name.partition("-")
        self.pipeline.launch(service, int(number))

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL, as the kernel does when memory ends, and start it again."""
        self.pipeline.processes[name].kill()
        self.kills[name.partition("-")[0]] += 1
        self.start(name)

    def last_log_line(self, name: str) -> str:
        """Return the reason, or else the event, of the last log line of a process."""
        lines = self.pipeline.log(name)
        last = lines[-1] if lines else {}
        return str(last.get("reason") or last.get("event") or "nothing")

    def sleep(self, seconds: float) -> None:
        """Wait, and meanwhile start processes again that end."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.restart_ended()
            time.sleep(min(left, 0.2))

    def wait(self, is_true: Callable[[], object], what: str, timeout: float = _TIMEOUT) -> None:
        """Wait until `is_true` returns something true; AssertionError after `timeout` seconds. `what` names it."""
        until = time.monotonic() + timeout
        while not is_true():
            assert time.monotonic() < until, f"{what}: did not come within {timeout:g} s"
            self.sleep(0.2)

    def all_ready(self) -> bool:
        """Return whether every process reports that it is ready."""
        return all(self.pipeline.is_ready(name) for name in self.pipeline.processes)

    def wait_until_ready(self) -> None:
        """Wait until every process reports that it is ready."""
        self.wait(self.all_ready, "readiness of all processes")
