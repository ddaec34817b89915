"""Run all faults and print a table after each: `python -m tools.chaos`. Takes about 11 minutes.

--kills N    number of processes to kill (default 110)
--seconds S  length of each outage of a server, in seconds (default 30)
--seed N     seed of the random moments and victims (default 1)
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from rich.console import Console

from tools.chaos import faults
from tools.chaos.drill import INSTANCES, Drill, new_drill
from tools.chaos.table import table
from tools.chaos.verdict import findings
from tools.stack import new_run
from tools.stack.install import Missing

_SESSION_TIMEOUT = 6.0  # seconds until the broker takes the partitions of a silent consumer


def _faults(kills: int, seconds: float) -> list[Callable[[Drill], object]]:
    """Return the faults in their order: kills before, between and after the others."""
    kill = partial(faults.killed, times=-(-kills // 4))
    return [
        kill,
        faults.deadly_photograph,
        faults.stopped,
        faults.broker_restarted,
        *(partial(faults.away, server=server, seconds=seconds) for server in ("kafka", "minio", "mongo")),
        kill,
        *(partial(faults.hanging, server=server, seconds=seconds) for server in ("kafka", "minio", "mongo")),
        kill,
        *(partial(faults.frozen, name=f"{service}-0", session_timeout=_SESSION_TIMEOUT) for service in INSTANCES),
        faults.fenced,
        faults.poisoned,
        faults.misleading_notifications,
        faults.removed_before_it_was_read,
        faults.folder_hidden,
        *(partial(faults.crop_missing, service=service) for service in ("quality", "embedder")),
        faults.store_full,
        kill,
    ]


def main() -> int:
    """Run all faults; exit status 1 if an event is lost or duplicated, or the people differ from the reference."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description="Faults in the running stream.")
    parser.add_argument("--kills", type=int, default=110)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console = Console(width=150)
    try:
        with new_run() as folder, new_drill(folder, 3 * options.kills + 150, options.seed, _SESSION_TIMEOUT) as drill:
            for fault in _faults(options.kills, options.seconds):
                fault(drill)
                console.print(table(drill.costs))
            wrong = findings(drill)
            console.print(f"processes killed: {dict(drill.supervisor.kills)}")
            for ended in drill.supervisor.exits:
                console.print(str(ended), soft_wrap=True)
    except Missing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    for line in wrong:
        console.print(line, soft_wrap=True)
    console.print(
        "no event lost, none duplicated, the same people as the standalone run" if not wrong else "the stream is wrong"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
