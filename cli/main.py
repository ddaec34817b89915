"""`facestream`: the command line.

Commands import what they need when they run, so that `facestream --help` does not wait for TensorFlow.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from cli.commands import (
    clusters,
    dead_letters,
    generations,
    models,
    people_commands,
    photo_commands,
    run,
    stream_commands,
    table_commands,
)
from cli.output import terminal
from cli.settings_check import CheckedGroup
from shared.errors import FacestreamError

# --image_dir is the same flag as --image-dir.
_CONTEXT = {"token_normalize_func": lambda token: token.replace("_", "-"), "help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="facestream",
    cls=CheckedGroup,
    help="Find the people in photographs, without labels and without enrolment.",
    no_args_is_help=True,
    add_completion=False,
    context_settings=_CONTEXT,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("detect")(photo_commands.detect)
app.command("cr2-to-jpg")(photo_commands.cr2_to_jpg)
app.command("preprocess")(photo_commands.preprocess)
app.command("cluster")(people_commands.cluster)
app.command("chinese-whispers")(people_commands.chinese_whispers)
app.command("export-embeddings")(table_commands.export_embeddings)
app.command("get-medoids")(table_commands.get_medoids)
app.command("validate")(table_commands.validate)
app.command("tsne")(table_commands.tsne)
app.add_typer(models.app, name="models")
app.command("init")(stream_commands.init)
app.command("ingest")(stream_commands.ingest)
app.command("watch")(stream_commands.watch)
app.command("reconcile")(stream_commands.reconcile)
app.command("announce")(stream_commands.announce)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(clusters.app, name="clusters")
app.add_typer(generations.app, name="generations")


def _print_version(wanted: bool) -> None:  # noqa: FBT001  the signature is typer's
    if wanted:
        typer.echo(f"facestream {version('facestream')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool | None,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = None,
) -> None:
    """Handle the options that precede a command."""


def main() -> None:
    """Run the command line. A `FacestreamError` ends it with one line on standard error and its exit status."""
    terminal.log_to_error_stream()
    try:
        app()
    except FacestreamError as error:
        terminal.error(str(error))
        sys.exit(error.exit_status)
