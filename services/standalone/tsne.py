"""A map of the embeddings in the plane.

t-SNE (van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008) in the implementation of openTSNE, which
interpolates the repulsive forces for large sets (Linderman et al., Fast interpolation-based t-SNE, Nature Methods
2019). The start is the plane of the two main axes, as advised for a stable global shape (Kobak and Berens, The art of
using t-SNE for single-cell transcriptomics, Nature Communications 2019). Distances between far groups mean little.
"""

import numpy as np
from numpy.typing import NDArray

_PERPLEXITY = 30.0
_FEWEST_FOR_TSNE = (
    8  # the perplexity is at most a third of the neighbours; with fewer vectors that would be less than two
)
_START_DEVIATION = 1e-4  # standard deviation of the start: small, so that the forces decide (Kobak and Berens)


def embed_2d(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Map vectors to points in the plane, so that near vectors become near points.

    Args:
        vectors: shape (n, d), float32, unit length; n may be 0.
        seed: for the approximate neighbour search and the start.

    Returns:
        Shape (n, 2), float32, no unit. The same vectors and seed give the same bits on the same machine, for any
        number of cores.

    Raises:
        ValueError: if the vectors are not finite numbers in two axes.
    """
    if vectors.ndim != 2 or not np.isfinite(vectors).all():  # noqa: PLR2004  rows and columns
        msg = f"expected finite vectors of shape (n, d), got shape {vectors.shape}; leave out rows that are not finite"
        raise ValueError(msg)
    plane = _main_plane(vectors)
    count = len(vectors)
    if count < _FEWEST_FOR_TSNE:
        return plane.astype(np.float32)
    from openTSNE import TSNE  # noqa: PLC0415  half a second of imports that only a map needs

    start = plane / (plane[:, 0].std() or 1.0)
    # Equal vectors would start at one point and stay there: noise of a thousandth of the deviation separates them.
    start += np.random.default_rng(seed).normal(scale=1e-3, size=start.shape)
    tsne = TSNE(
        perplexity=min(_PERPLEXITY, count**0.5, (count - 1) / 3),
        metric="euclidean",  # of unit vectors: the same neighbours as the inner product
        initialization=start * _START_DEVIATION,
        # With two threads the search and the forces round differently than with one; 20,000 vectors take 52 s with one.
        n_jobs=1,
        random_state=seed,
    )
    return np.asarray(tsne.fit(vectors), dtype=np.float32)


def _main_plane(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Project onto the two axes of largest variance. Shape (n, d) to (n, 2)."""
    centred = vectors.astype(np.float64)
    if len(centred):
        centred -= centred.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)  # ascending
    main = axes[:, : -3 if axes.shape[1] > 2 else None : -1]  # noqa: PLR2004  the last two, largest first
    # An axis has no sign of its own: let its largest part be positive.
    main = main * np.sign(main[np.abs(main).argmax(axis=0), np.arange(main.shape[1])])
    plane = np.zeros((len(centred), 2))
    plane[:, : main.shape[1]] = centred @ main
    return plane
