"""`facestream cr2-to-jpg`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Processes
from cli.output.terminal import say


def cr2_to_jpg(
    source: Annotated[Path, typer.Option("--source", "-s", help="Folder of camera raw files of any format.")],
    destination: Annotated[Path, typer.Option("--destination", "-d", help="Folder for the JPEG files.")],
    processes: Processes = None,
) -> None:
    """Convert all camera raw files of a folder to upright JPEG files, which keep the files' times."""
    from cli.jobs.cr2_to_jpg import develop_folder

    say(develop_folder(source, destination, processes))
