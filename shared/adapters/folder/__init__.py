"""Objects as files of folders."""
