"""The signature and the help of each command; the work is in `cli/jobs`, in the file of the same name."""
