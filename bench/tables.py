"""A table of measurements, printed or as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable


@dataclass(frozen=True, slots=True)
class Table:
    """Measurements of one subject. Every row has one cell for each column. `notes`: how it was measured."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]] = ()
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                msg = f"{self.title}: expected rows of {len(self.columns)} cells, one has {len(row)}: {row!r}"
                raise ValueError(msg)

    def as_json(self) -> dict[str, object]:
        """Return the table as JSON-ready values; each row is a mapping from the names of columns."""
        return {
            "title": self.title,
            "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "notes": list(self.notes),
        }

    def print(self, console: Console) -> None:
        """Print the table and its notes."""
        table = RichTable(title=self.title, title_justify="left", caption_justify="left")
        numeric = [all(not isinstance(row[column], str) for row in self.rows) for column in range(len(self.columns))]
        for name, right in zip(self.columns, numeric, strict=True):
            table.add_column(name, justify="right" if right else "left")
        for row in self.rows:
            table.add_row(*map(_shown, row))
        console.print(table)
        for note in self.notes:
            console.print(f"  {note}", markup=False, highlight=False)


def without_data(title: str, missing: object) -> Table:
    """Return the table of a benchmark that cannot run without `missing`, a file or folder."""
    return Table(title, ("result",), [("not measured",)], [f"expected {missing}, found none"])


def _shown(cell: str | float) -> str:
    match cell:
        case str():
            return escape(cell)
        case float():
            return f"{cell:.4g}" if abs(cell) < 1000 else f"{cell:,.0f}"  # noqa: PLR2004  four digits suffice
        case _:
            return f"{cell:,}"
