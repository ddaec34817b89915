"""Count the outcomes of mutated photographs of each format: `python -m tools.fuzz --count 3000 --seed 1`."""

import argparse
import sys
import time
from pathlib import Path

from tools.fuzz.fuzzing import fuzz


def main() -> None:
    """Run, print the counts, and exit with status 0 if each photograph has an outcome."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="number of photographs (default 3000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the mutations (default 1)")
    parser.add_argument("--processes", type=int, default=2, help="number of processes that decode (default 2)")
    parser.add_argument("--keep", type=Path, help="folder for photographs that ended their process or took too long")
    given = parser.parse_args()
    start = time.monotonic()
    report = fuzz(given.count, given.seed, given.processes)
    lines = [*report.lines()]
    for case, reason in report.lost:
        lines.append(f"not decoded: number {case.number}, {case.kind}, {case.mutation}: {reason}")
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
            (given.keep / f"{given.seed}-{case.number}").write_bytes(case.data)
    lines.append(f"{given.count:,} photographs in {time.monotonic() - start:.0f} s, seed {given.seed}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(0 if sum(report.counts.values()) == given.count else 1)


if __name__ == "__main__":
    main()
