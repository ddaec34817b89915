"""From faces to clusters: neighbour graph, Chinese Whispers, refinement, medoids. Knows no generation."""
