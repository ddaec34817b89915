"""The work of each command, in a file named like its signature in `cli/commands`; imported when the command runs."""
