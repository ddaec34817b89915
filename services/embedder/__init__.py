"""Embedder: accepted crops become vectors of unit length, by FaceNet in TensorFlow."""
