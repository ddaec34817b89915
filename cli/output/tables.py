"""Tables for the terminal."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table

from cli.output.terminal import cell

_LONG_LINE = 2000  # characters; where a program reads the output, each row is one line


def table_of(columns: Iterable[Column], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table without borders; unprintable characters in its cells are escaped."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def print_table(table: Table) -> None:
    """Print a table: as wide as the terminal, or one line per row if the output is no terminal."""
    Console(highlight=False, width=None if sys.stdout.isatty() else _LONG_LINE).print(table)
