"""Compares the photo bucket with the database, for `facestream reconcile`."""
