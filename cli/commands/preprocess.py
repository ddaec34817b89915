"""`facestream preprocess`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import say


def preprocess(
    image_dir: Annotated[Path, typer.Option("--image-dir", "-i", help="Folder of face crops.")],
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Folder for the sharp crops.")],
    threshold: Annotated[
        float, typer.Option("--threshold", "-t", min=0, help="Smallest variance of the Laplacian of a sharp crop.")
    ] = 25.0,
) -> None:
    """Copy the sharp crops of a folder unchanged."""
    from cli.jobs.preprocess import copy_sharp_crops

    say(copy_sharp_crops(image_dir, output_dir, threshold))
