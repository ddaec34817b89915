"""Print how many processes KEDA asks for while one consumer reads a backlog: `python -m tools.keda`."""

from collections.abc import Iterator
from dataclasses import replace

from tools.keda.cases import PARTITIONS, Backlog
from tools.keda.formula import Scaler, Scaling, shipped
from tools.keda.own_code import KedaScalers, scalers
from tools.stack import KafkaServer, new_run

_EACH = 2_000  # records for each partition
_LOOKS = 8  # lines printed while the backlog is read
_EXCLUDED = "true"
"""The value of `excludePersistentLag` in the triggers that the shipped ones are compared with."""


class Comparison:
    """The trigger of a service, as shipped and with `excludePersistentLag`, by KEDA's code and by the formula."""

    def __init__(self, scaling: Scaling, backlog: Backlog, keda: KedaScalers) -> None:
        self._backlog, self._keda = backlog, keda
        self._scalings = both(scaling)
        self._formulas = [Scaler(it.trigger) for it in self._scalings]

    def look(self, moment: str) -> str:
        """Return a line of the table; raises `AssertionError` if the formula differs from KEDA."""
        offsets = self._backlog.offsets()
        found = self._keda.look()
        assert [look.lag for look in found] == [formula.look(offsets) for formula in self._formulas]
        assert [look.target for look in found] == [scaling.threshold for scaling in self._scalings]
        processes = [scaling.processes(look.lag) for scaling, look in zip(self._scalings, found, strict=True)]
        left = sum(it.end - (it.first if it.committed is None else it.committed) for it in offsets.values())
        return f"| {self._scalings[0].service} | {moment} | {left:,} | {processes[0]} | {processes[1]} |"


def both(scaling: Scaling) -> list[Scaling]:
    """Return a trigger as shipped, and the same with `excludePersistentLag`."""
    return [scaling, replace(scaling, trigger={**scaling.trigger, "excludePersistentLag": _EXCLUDED})]


def lines(server: KafkaServer, scaling: Scaling) -> Iterator[str]:
    """Yield the lines of the table for one service."""
    topic = scaling.trigger["topic"]
    backlog = Backlog(server.bootstrap_servers, topic, scaling.service, transactional=topic != "images.uploaded")
    with scalers(server.bootstrap_servers, [it.trigger for it in both(scaling)]) as keda:
        comparison = Comparison(scaling, backlog, keda)
        backlog.put(1)
        backlog.done()
        yield comparison.look("all is read")
        yield comparison.look("one poll later")
        backlog.put(_EACH)
        yield comparison.look(f"{PARTITIONS * _EACH:,} new records")
        for commits, _ in enumerate(backlog.work(), 1):
            if commits % (PARTITIONS * _EACH // 400 // _LOOKS) == 0:
                yield comparison.look(f"after {commits} batches of one member")
        yield comparison.look("all is read again")
        for number in range(1, 4):
            backlog.put(_EACH, [0])
            backlog.put(1, range(1, PARTITIONS))
            backlog.done(stuck=[0])
            yield comparison.look(f"partition 0 is stuck with {number * _EACH:,} records")


def main() -> None:
    """Print the table."""
    with new_run() as folder:
        server = KafkaServer(folder / "kafka").start()
        print("| service | moment | lag of the group | processes | with `excludePersistentLag` |")  # noqa: T201
        print("|---|---|---|---|---|")  # noqa: T201
        for scaling in shipped():
            for line in lines(server, scaling):
                print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
