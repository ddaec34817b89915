"""The table of a drill: the cost of each kind of fault."""

from collections.abc import Mapping
from statistics import median

from rich.table import Table

from tools.chaos.drill import Cost


def table(costs: Mapping[str, Cost]) -> Table:
    """Return a row for each kind of fault."""
    made = Table(
        "fault", "times", "lost", "duplicated", "recovered in, s", "announced by reconcile", "ended by themselves"
    )
    for column in made.columns[1:-1]:
        column.justify = "right"
    for kind, cost in costs.items():
        middle, longest = median(cost.recovered), max(cost.recovered)
        recovered = f"{middle:.1f}" if len(cost.recovered) == 1 else f"{middle:.1f}, at most {longest:.1f}"
        exits = "; ".join(sorted({f"{it.name} {it.status}" for it in cost.exits}))
        counts = (cost.times, cost.lost, cost.repeated, recovered, cost.reconciled)
        made.add_row(kind, *map(str, counts), f"{len(cost.exits)}: {exits}" if exits else "-")
    return made
