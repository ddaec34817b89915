"""Print what KEDA wants of the shipped triggers while one real member works off a backlog. See the package."""

from collections.abc import Iterator
from dataclasses import replace

from tools.keda.cases import PARTITIONS, Backlog
from tools.keda.formula import Scaler, Scaling, shipped
from tools.keda.own_code import KedaScalers, scalers
from tools.stack import KafkaServer, new_run

_EACH = 2_000
_LOOKS = 8  # while the backlog is worked off
_BEFORE = "true"
"""The value of `excludePersistentLag` that the shipped triggers are compared with."""


class Watched:
    """One service's trigger, as it is shipped and without lag that does not move, as KEDA and the formula see it."""

    def __init__(self, scaling: Scaling, backlog: Backlog, keda: KedaScalers) -> None:
        self._backlog, self._keda = backlog, keda
        self._scalings = both(scaling)
        self._formulas = [Scaler(it.trigger) for it in self._scalings]

    def look(self, moment: str) -> str:
        """Return a line of the table; raises `AssertionError` where the formula is not KEDA's."""
        offsets = self._backlog.offsets()
        found = self._keda.look()
        assert [look.lag for look in found] == [formula.look(offsets) for formula in self._formulas]
        assert [look.target for look in found] == [scaling.threshold for scaling in self._scalings]
        processes = [scaling.processes(look.lag) for scaling, look in zip(self._scalings, found, strict=True)]
        left = sum(it.end - (it.first if it.committed is None else it.committed) for it in offsets.values())
        return f"| {self._scalings[0].service} | {moment} | {left:,} | {processes[0]} | {processes[1]} |"


def both(scaling: Scaling) -> list[Scaling]:
    """Return a trigger as it is shipped, and as it would be without lag that does not move."""
    return [scaling, replace(scaling, trigger={**scaling.trigger, "excludePersistentLag": _BEFORE})]


def lines(server: KafkaServer, scaling: Scaling) -> Iterator[str]:
    """Yield the lines of one service."""
    topic = scaling.trigger["topic"]
    backlog = Backlog(server.bootstrap_servers, topic, scaling.service, transactional=topic != "images.uploaded")
    with scalers(server.bootstrap_servers, [it.trigger for it in both(scaling)]) as keda:
        watched = Watched(scaling, backlog, keda)
        backlog.put(1)
        backlog.done()
        yield watched.look("all is read")
        yield watched.look("a look later")
        backlog.put(_EACH)
        yield watched.look(f"{PARTITIONS * _EACH:,} have come")
        for commits, _ in enumerate(backlog.work(), 1):
            if commits % (PARTITIONS * _EACH // 400 // _LOOKS) == 0:
                yield watched.look(f"after {commits} batches of one member")
        yield watched.look("all is read again")
        for number in range(1, 4):
            backlog.put(_EACH, [0])
            backlog.put(1, range(1, PARTITIONS))
            backlog.done(stuck=[0])
            yield watched.look(f"partition 0 stands still, with {number * _EACH:,}")


def main() -> None:
    """Run all cases in a Kafka of their own."""
    with new_run() as folder:
        server = KafkaServer(folder / "kafka").start()
        print("| service | moment | lag of the group | processes | with `excludePersistentLag` |")  # noqa: T201
        print("|---|---|---|---|---|")  # noqa: T201
        for scaling in shipped():
            for line in lines(server, scaling):
                print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
