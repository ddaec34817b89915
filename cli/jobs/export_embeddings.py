"""The work of `facestream export-embeddings`: embed a folder of crops and write the embeddings to a CSV file."""

from pathlib import Path

from cli.files.crops import embedded, load_model
from cli.files.input_files import files_in, text_of
from cli.files.whole_output import new_text
from cli.output.file_progress import FileProgress
from shared.embedding_tables import write_embeddings, write_header


def export_folder(model: Path, source: Path, out: Path) -> str:
    """Write the path, the label and the vector of every crop; its label is the name of the folder that contains it.

    Returns a summary in one line. Raises `InvalidInput` if a path cannot be read or written, `ModelError`, and `Fatal`
    if no crop can be read.
    """
    progress = FileProgress()
    names = files_in(source, progress)
    top, written = source.resolve(), 0
    with new_text(out, [model, *(source / name for name in names)]) as file:
        embedder = load_model(model)
        write_header(file, embedder.dimensions)
        for name, vector in embedded(source, names, embedder, progress):
            label = (top / name).parent.name
            write_embeddings(file, [(text_of(source / name), text_of(label), vector)])
            written += 1
        progress.check_some(written, source)
    return f"{progress.count(written, 'crops')}: {embedder.dimensions} values each in {out}"
