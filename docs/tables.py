# ruff: noqa: INP001  a script beside the documents, no package
"""Tables in Markdown, for the pages that are made by code."""

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table, each line ended; a cell must not have a line break or a bare `|`."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
