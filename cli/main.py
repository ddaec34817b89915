"""`facestream`: the command line.

Commands import what they need when they run, so that `facestream --help` does not wait for TensorFlow.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from cli.commands import (
    announce,
    chinese_whispers,
    cluster,
    clusters,
    cr2_to_jpg,
    dead_letters,
    detect,
    export_embeddings,
    generations,
    get_medoids,
    ingest,
    init,
    models,
    preprocess,
    reconcile,
    run,
    tsne,
    validate,
    watch,
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
app.command("detect")(detect.detect)
app.command("cr2-to-jpg")(cr2_to_jpg.cr2_to_jpg)
app.command("preprocess")(preprocess.preprocess)
app.command("cluster")(cluster.cluster)
app.command("chinese-whispers")(chinese_whispers.chinese_whispers)
app.command("export-embeddings")(export_embeddings.export_embeddings)
app.command("get-medoids")(get_medoids.get_medoids)
app.command("validate")(validate.validate)
app.command("tsne")(tsne.tsne)
app.add_typer(models.app, name="models")
app.command("init")(init.init)
app.command("ingest")(ingest.ingest)
app.command("watch")(watch.watch)
app.command("reconcile")(reconcile.reconcile)
app.command("announce")(announce.announce)
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
