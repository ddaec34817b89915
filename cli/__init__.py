"""The command line of facestream."""
