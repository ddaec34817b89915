"""From faces to clusters: neighbour graph, Chinese Whispers, refinement, medoids. Imports nothing of `generations`."""
