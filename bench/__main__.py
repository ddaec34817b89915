"""Run benchmarks: `python -m bench [detection embedding ...]`; without names, all of them.

Each benchmark is a module of this folder with a function `measure() -> Table | list[Table]`.
"""

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

from rich.console import Console

from bench.tables import Table

BENCHMARKS = (
    "detection",
    "embedding",
    "clustering",
    "churn",
    "assignment",
    "run",
    "unchanged",
    "memory",
    "assigner",
    "latency",
    "lag",
    "saturated",
)
RESULTS = Path("bench-results.json")
_FILE_WIDTH = 150  # characters of a line in a file; a terminal has its own width


def main() -> None:
    """Measure, print the tables, and write them to `bench-results.json`."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; all by default")
    names: list[str] = parser.parse_args().names
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        parser.error(f"expected names of {', '.join(BENCHMARKS)}; got {', '.join(unknown)}")
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    results: dict[str, object] = {"machine": machine}
    for name in names or BENCHMARKS:
        started = time.perf_counter()
        measured: Table | list[Table] = importlib.import_module(f"bench.{name}").measure()
        tables = [measured] if isinstance(measured, Table) else measured
        for table in tables:
            table.print(console)
        seconds = time.perf_counter() - started
        console.print(f"  {name}: {seconds:.0f} s\n", highlight=False)
        results[name] = {"seconds": round(seconds, 1), "tables": [table.as_json() for table in tables]}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
