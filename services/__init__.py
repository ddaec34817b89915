"""The services of facestream: one package each, none imports another but `standalone`."""
