"""The files in the folder of a result, and how they are kept up to date without touching files of a person."""
