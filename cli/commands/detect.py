"""`facestream detect`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Processes
from cli.output.terminal import say


def detect(
    image_dir: Annotated[
        Path, typer.Option("--image-dir", "-d", help="Folder of photographs. Its subfolders are searched too.")
    ],
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Folder for the crops.")],
    shape_predictor: Annotated[
        Path | None,
        typer.Option(
            "--shape-predictor",
            "-p",
            help="File of dlib's predictor of 68 landmarks. The default is the file of `models fetch`.",
        ),
    ] = None,
    face_width: Annotated[
        int, typer.Option("--face-width", "-w", min=32, max=1024, help="Width and height of a crop in pixels.")
    ] = 160,
    processes: Processes = None,
) -> None:
    """Cut the faces out of all photographs of a folder, aligned by the eyes.

    A crop is named <photo>_<n>.png and lies in the same subfolder as its photograph. A photograph that cannot be read
    is reported in a line, and the command continues with the others. The exit status is 1 if no photograph could be
    read.
    """
    from cli.jobs.detect import crop_folder

    say(crop_folder(image_dir, output_dir, landmarks=shape_predictor, face_width=face_width, processes=processes))
