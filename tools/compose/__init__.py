"""The compose file for real, from the build to the end: `python -m tools.compose`."""
