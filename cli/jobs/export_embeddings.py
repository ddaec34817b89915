"""`facestream export-embeddings`: the crops of a folder as a file of embeddings."""

from pathlib import Path

from cli.files.crops import embedded, load_model
from cli.files.csv_formats import write_embeddings, write_header
from cli.files.input_files import files_in, text_of
from cli.files.whole_output import new_text
from cli.output.file_progress import Watch


def export(model: Path, source: Path, out: Path) -> str:
    """Write path, label and vector of every crop; the label is the name of the folder that the crop lies in.

    Returns what was done, in a line. Raises `InvalidInput` for paths that make no sense, `ModelError`, and `Fatal`
    where no crop can be read.
    """
    watch = Watch()
    names = files_in(source, watch)
    top, written = source.resolve(), 0
    with new_text(out, [model, *(source / name for name in names)]) as file:
        embedder = load_model(model)
        write_header(file, embedder.dimensions)
        for name, vector in embedded(source, names, embedder, watch):
            label = (top / name).parent.name
            write_embeddings(file, [(text_of(source / name), text_of(label), vector)])
            written += 1
        watch.check_some(written, source)
    return f"{watch.count(written, 'crops')}: {embedder.dimensions} values each in {out}"
