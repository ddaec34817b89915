"""`python -m tools.chaos`: the long form of the faults, with a table after each; about 11 minutes.

--kills N    processes killed (110)
--seconds S  of every outage (30)
--seed N     of the random moments and victims
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

_SESSION = 6.0  # seconds


def _faults(kills: int, seconds: float) -> list[Callable[[Drill], object]]:
    """Return the faults in their order: kills before, between and after the others."""
    kill = partial(faults.killed, times=-(-kills // 4))
    return [
        kill,
        faults.out_of_memory,
        faults.told_to_stop,
        faults.broker_restarted,
        *(partial(faults.away, server=server, seconds=seconds) for server in ("kafka", "minio", "mongo")),
        kill,
        *(partial(faults.hanging, server=server, seconds=seconds) for server in ("kafka", "minio", "mongo")),
        kill,
        *(partial(faults.frozen, name=f"{service}-0", session=_SESSION) for service in INSTANCES),
        faults.fenced,
        faults.poisoned,
        faults.misled,
        faults.removed_before_it_was_read,
        faults.folder_hidden,
        *(partial(faults.crop_missing, service=service) for service in ("quality", "embedder")),
        faults.store_full,
        kill,
    ]


def main() -> int:
    """Run all faults; status 1 if the stream lost something, said something twice or disagrees with the reference."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description="Faults in the running stream.")
    parser.add_argument("--kills", type=int, default=110)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console = Console(width=150)
    try:
        with new_run() as folder, new_drill(folder, 3 * options.kills + 150, options.seed, _SESSION) as drill:
            for fault in _faults(options.kills, options.seconds):
                fault(drill)
                console.print(table(drill.costs))
            wrong = findings(drill)
            console.print(f"killed: {dict(drill.supervisor.kills)}")
            for ended in drill.supervisor.exits:
                console.print(str(ended), soft_wrap=True)
    except Missing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    for line in wrong:
        console.print(line, soft_wrap=True)
    console.print(
        "nothing lost, nothing said twice, as the standalone runner says" if not wrong else "not as it should be"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
