"""SQLite: the repositories of photographs and generations of a result folder, and its index of files."""
