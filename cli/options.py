"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

EmbeddingsFile = Annotated[
    Path, typer.Argument(metavar="EMBEDDINGS.csv", help="CSV file that `export-embeddings` wrote.")
]
Processes = Annotated[
    int | None, typer.Option(min=1, max=256, help="Number of processes. The default is one per core.")
]
Threshold = Annotated[
    float, typer.Option(min=0, max=0.999999, help="Inner product above which two faces are neighbours.")
]
Iterations = Annotated[int, typer.Option(min=1, help="Largest number of rounds of Chinese Whispers.")]
Result = Annotated[
    Path | None,
    typer.Option(
        "--result", metavar="DIR", help="Result folder of `facestream run`. Without it, the stream's database is used."
    ),
]
