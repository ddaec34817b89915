"""Lines and log messages that are safe to show in a terminal.

Names, records and files may hold control sequences that would steer the terminal. So all commands print with `say`,
`error` or, in tables, `cell`; log messages are formatted by `LogLine`; and programs read JSON made by `json_text`.
"""

import json
import logging
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.text import Text


def printable(text: str) -> str:
    """Return the text with line ends and all other unprintable characters escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def say(line: str, *, on_error_stream: bool = False) -> None:
    """Print a line."""
    typer.echo(printable(line), err=on_error_stream)


def error(message: str) -> None:
    """Print a line that begins with `error:` on the error stream."""
    from rich.console import Console  # noqa: PLC0415  only where it is needed
    from rich.markup import escape  # noqa: PLC0415  as above

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[red]error:[/]", escape(printable(message)))


class LogLine(logging.Formatter):
    """Formats a log message of a library or of the connection settings as one line such as `warning: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a log record."""
        return printable(f"{record.levelname.lower()}: {super().format(record)}")


def log_to_error_stream() -> None:
    """Print log messages of level WARNING and above on the error stream."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLine())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def cell(text: str) -> "Text":
    """Return the text as a table cell: without markup, unprintable characters escaped."""
    from rich.text import Text  # noqa: PLC0415  only where it is needed

    return Text(printable(text))


def json_text(value: Any) -> str:
    """Return a value as one line of JSON. Printable characters stay as they are; all others are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
