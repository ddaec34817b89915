"""What is printed: text that comes from names, records and files cannot steer the terminal that shows it.

All commands print with `say`, `error` or, in tables, `cell`, and what is logged with `LogLine`. What programs read is
JSON by `json_text`.
"""

import json
import logging
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.text import Text


def printable(text: str) -> str:
    """Return a text without line ends and without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def say(line: str, *, on_error_stream: bool = False) -> None:
    """Print a line."""
    typer.echo(printable(line), err=on_error_stream)


def error(message: str) -> None:
    """Print a line on the error stream that begins with `error:`."""
    from rich.console import Console  # noqa: PLC0415  only where it is needed
    from rich.markup import escape  # noqa: PLC0415  as above

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[red]error:[/]", escape(printable(message)))


class LogLine(logging.Formatter):
    """What libraries and the settings of connections warn of, as one line such as `warning: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return printable(f"{record.levelname.lower()}: {super().format(record)}")


def log_to_error_stream() -> None:
    """Print on the error stream what is logged from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLine())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def cell(text: str) -> "Text":
    """Return a text for a table: no markup, nothing that a terminal would obey."""
    from rich.text import Text  # noqa: PLC0415  only where it is needed

    return Text(printable(text))


def json_text(value: Any) -> str:
    """Return a value as JSON in one line, with escapes for all that cannot be printed; letters stay as they are."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
