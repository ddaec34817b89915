"""Files that commands read and write: CSV formats, folders of photographs, output that is complete or absent."""
