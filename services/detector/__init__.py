"""Detector: photographs in, faces with landmarks and aligned crops out."""
