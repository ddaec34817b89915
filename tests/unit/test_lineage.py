import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.reclusterer.generations.lineage import ClusterLineage, trace_lineage

Labels = NDArray[np.int32]


@st.composite
def labelings(draw: st.DrawFn) -> tuple[Labels, Labels, int]:
    """Two clusterings of the same faces, the second without gaps in its numbers."""
    n = draw(st.integers(0, 40))
    old = draw(st.lists(st.integers(-1, 5), min_size=n, max_size=n))
    new = draw(st.lists(st.integers(-1, 5), min_size=n, max_size=n))
    numbers = sorted(set(new) - {-1})
    compact = [numbers.index(label) if label >= 0 else -1 for label in new]
    return np.array(old, np.int32), np.array(compact, np.int32), len(numbers)


@given(labelings())
def test_the_same_clustering_keeps_every_identifier(labels: tuple[Labels, Labels, int]) -> None:
    _, new, count = labels
    assert trace_lineage(new, new, count) == [ClusterLineage(place, (place,)) for place in range(count)]


@given(labelings())
def test_no_identifier_is_kept_twice(labels: tuple[Labels, Labels, int]) -> None:
    kept = [lineage.continues for lineage in trace_lineage(*labels) if lineage.continues is not None]
    assert len(set(kept)) == len(kept)


@given(labelings())
def test_parents_are_the_old_clusters_that_share_members_most_shared_first(labels: tuple[Labels, Labels, int]) -> None:
    old, new, count = labels
    for place, lineage in enumerate(trace_lineage(old, new, count)):
        shared = [int((old[new == place] == parent).sum()) for parent in lineage.parents]
        assert shared == sorted(shared, reverse=True)
        assert set(lineage.parents) == set(old[new == place].tolist()) - {-1}


@given(labelings())
def test_an_heir_shares_more_than_half_of_the_smaller_and_most_of_its_own_with_its_parent(
    labels: tuple[Labels, Labels, int],
) -> None:
    old, new, count = labels
    for place, lineage in enumerate(trace_lineage(old, new, count)):
        if lineage.continues is not None:
            shared = int(((new == place) & (old == lineage.continues)).sum())
            assert 2 * shared > min((new == place).sum(), (old == lineage.continues).sum())
            assert lineage.continues == lineage.parents[0]


def _old(*sizes: int) -> Labels:
    return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)


def test_of_two_parts_of_a_split_cluster_the_larger_keeps_the_identifier() -> None:
    new = np.array([0, 0, 0, 1, 1, 1, 1], np.int32)
    assert trace_lineage(_old(7), new, 2) == [ClusterLineage(None, (0,)), ClusterLineage(0, (0,))]


def test_of_two_equal_parts_the_first_keeps_the_identifier() -> None:
    new = np.array([0, 1, 0, 1], np.int32)
    assert trace_lineage(_old(4), new, 2) == [ClusterLineage(0, (0,)), ClusterLineage(None, (0,))]


def test_a_merged_cluster_keeps_the_identifier_with_most_members_and_names_both_parents() -> None:
    new = np.zeros(7, np.int32)
    assert trace_lineage(_old(3, 4), new, 1) == [ClusterLineage(1, (1, 0))]


def test_a_cluster_that_shares_only_half_of_the_smaller_one_is_new() -> None:
    old = np.array([0, 0, 0, 0, -1, -1], np.int32)
    new = np.array([-1, -1, 0, 0, 0, 0], np.int32)
    assert trace_lineage(old, new, 1) == [ClusterLineage(None, (0,))]


def test_a_cluster_of_faces_that_were_unknown_is_new_and_has_no_parents() -> None:
    assert trace_lineage(np.full(3, -1, np.int32), np.zeros(3, np.int32), 1) == [ClusterLineage(None, ())]
