"""Keeps processes running as a kubelet does: what has ended is started again, and nothing else is ever done to it."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.pipeline import Pipeline

_PATIENCE = 240.0  # seconds for what takes some ten
_CRASH_LOOP = 10  # exits of one process; more would need a human


@dataclass(frozen=True)
class Exit:
    """A process that has ended by itself: its name, its status, and the reason that it gave."""

    name: str
    status: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ended with status {self.status}: {self.reason}"


@dataclass
class Supervisor:
    """Watches over the processes of a pipeline. `exits` are those that no call of `kill` has caused."""

    pipeline: Pipeline
    kills: Counter[str] = field(default_factory=Counter)
    exits: list[Exit] = field(default_factory=list)

    def tend(self) -> None:
        """Start again what has ended."""
        for name, process in list(self.pipeline.processes.items()):
            if not process.running():
                self.exits.append(Exit(name, process.exit_status(), self.last_words(name)))
                loop = sum(ended.name == name for ended in self.exits) > _CRASH_LOOP
                assert not loop, f"{name} ends again and again:\n{process.log()}"
                self.start(name)

    def start(self, name: str) -> None:
        """Start a process of this name, without waiting for it."""
        service, _, number = name.partition("-")
        self.pipeline.launch(service, int(number))

    def kill(self, name: str) -> None:
        """Kill a process as the kernel does where memory ends, and start it again."""
        self.pipeline.processes[name].kill()
        self.kills[name.partition("-")[0]] += 1
        self.start(name)

    def last_words(self, name: str) -> str:
        """Return what a process that has ended said last."""
        lines = self.pipeline.log(name)
        said = lines[-1] if lines else {}
        return str(said.get("reason") or said.get("event") or "nothing")

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.tend()
            time.sleep(min(left, 0.2))

    def wait(self, is_true: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
        """Wait until something becomes true."""
        until = time.monotonic() + patience
        while not is_true():
            assert time.monotonic() < until, f"waited in vain for {what}"
            self.sleep(0.2)

    def all_ready(self) -> bool:
        """Say whether every process says that it is ready."""
        return all(self.pipeline.is_ready(name) for name in self.pipeline.processes)

    def wait_until_ready(self) -> None:
        """Wait until every process says that it is ready."""
        self.wait(self.all_ready, "all processes to be ready")
